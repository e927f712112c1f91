import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';

/**
 * Reads a range that must be in the file.
 * @param field what the range is, for the error
 * @throws ImageDamaged where the file ends before
 */
export async function readExactly(file: DiskFile, buffer: Buffer, offset: number, field: string): Promise<void> {
  const found = await file.read(buffer, offset);
  if (found < buffer.length) {
    throw damagedField(file.path, field, `the file ends ${buffer.length - found} bytes before its end`);
  }
}
