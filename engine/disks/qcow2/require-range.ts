import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk } from '../disk.ts';

/** @throws InvalidArgument unless the range, in bytes, lies inside the disk */
export function requireRange(disk: Pick<Disk, 'virtualSizeBytes'>, offset: number, length: number): void {
  const isInside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= disk.virtualSizeBytes;
  if (!isInside) {
    throw new CheckpointError(
      'InvalidArgument',
      `Bytes ${offset} to ${offset + length} are not inside the disk, which has ${disk.virtualSizeBytes} bytes.`,
      { offset, length, virtualSizeBytes: disk.virtualSizeBytes },
    );
  }
}
