import { CheckpointError } from '../../model/checkpoint-error.ts';
import { maxDiskBytes, sectorBytes } from './footer.ts';

/** @throws InvalidArgument; UnsupportedDisk beyond what the format holds */
export function requireDiskSize(sizeBytes: number, limitBytes: number, path: string): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorBytes !== 0) {
    throw new CheckpointError(
      'InvalidArgument',
      `A VHD's size is a whole number of ${sectorBytes}-byte sectors, and ${sizeBytes} bytes is not.`,
      { path, virtualSizeBytes: sizeBytes },
    );
  }
  if (sizeBytes > limitBytes) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `A VHD holds at most ${limitBytes / 2 ** 30} GiB` +
        (limitBytes < maxDiskBytes ? ' with blocks of this size' : '') +
        `, and ${sizeBytes} bytes are wished for. Use VHDX.`,
      { path, virtualSizeBytes: sizeBytes, limitBytes },
    );
  }
}

/** @param sizeBytes that was wished for */
export function tailHoldsData(path: string, sizeBytes: number): CheckpointError {
  return new CheckpointError(
    'InvalidArgument',
    `The disk ${path} holds data beyond byte ${sizeBytes}, so it cannot be made that short. ` +
      'Make its last partition smaller in the guest first.',
    { path, virtualSizeBytes: sizeBytes },
  );
}
