import type { DiskFile } from '../disk-file.ts';
import { zeroBuffer } from '../zero-content.ts';

const pageBytes = 4096;
/** Shorter ranges are not worth a hole. */
const shortestHoleBytes = 4 * pageBytes;

/** Makes a range of a file zero, as a hole where the file system has them. The file's length stays. */
export async function fillZero(file: DiskFile, offset: number, length: number): Promise<void> {
  const end = offset + length;
  const holeFrom = Math.ceil(offset / pageBytes) * pageBytes;
  const holeTo = Math.floor(end / pageBytes) * pageBytes;
  if (holeTo - holeFrom >= shortestHoleBytes && (await file.punchHole(holeFrom, holeTo - holeFrom))) {
    await writeZeros(file, offset, holeFrom);
    await writeZeros(file, holeTo, end);
  } else {
    await writeZeros(file, offset, end);
  }
}

/** Writes zeros, so that the range takes space. */
export async function writeZeros(file: DiskFile, from: number, to: number, signal?: AbortSignal): Promise<void> {
  for (let at = from; at < to; at += zeroBuffer.length) {
    signal?.throwIfAborted();
    await file.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, to - at)), at);
  }
}
