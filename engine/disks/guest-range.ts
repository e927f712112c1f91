import { CheckpointError } from '../model/checkpoint-error.ts';
import type { Disk } from './disk.ts';

type Bounded = Pick<Disk, 'virtualSizeBytes'>;

/** @throws InvalidArgument unless the range lies inside the disk */
export function requireInside(disk: Bounded, path: string, offset: number, length: number): void {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isRange || offset + length > disk.virtualSizeBytes) {
    throw new CheckpointError(
      'InvalidArgument',
      `The range from byte ${offset}, ${length} bytes long, does not lie inside the disk ${path} of ${disk.virtualSizeBytes} bytes.`,
      { path, offset, length, virtualSizeBytes: disk.virtualSizeBytes },
    );
  }
}

/** @throws PermissionDenied on a disk that was opened for reading */
export function requireWritable(disk: Pick<Disk, 'isReadOnly'>, path: string): void {
  if (disk.isReadOnly) {
    throw new CheckpointError('PermissionDenied', `The disk ${path} is open for reading only.`, { path });
  }
}
