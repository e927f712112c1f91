import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';

/** @throws ImageDamaged, naming the field, when the file ends before the buffer is full */
export async function readExactly(file: DiskFile, buffer: Buffer, offset: number, field: string): Promise<void> {
  const found = await file.read(buffer, offset);
  if (found < buffer.length) {
    throw damagedField(
      file.path,
      field,
      `the file ends at ${offset + found}, and ${buffer.length} bytes from ${offset} are needed`,
    );
  }
}
