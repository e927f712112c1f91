import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { SavedMemory } from '../model/saved-memory.ts';
import { unpackFile } from './packed-file.ts';

const pieceBytes = 1024 * 1024;

/**
 * SHA-256 of what a memory file holds, packed or not, in hexadecimal.
 * @param onBytes gets how many have been read
 * @throws PackedFileDamaged, and the signal's reason
 */
export async function hashOfMemory(
  file: string,
  { sizeBytes, packedBytes }: Pick<SavedMemory, 'sizeBytes' | 'packedBytes'>,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  const pieces: AsyncIterable<Buffer> =
    packedBytes === undefined
      ? createReadStream(file, { highWaterMark: pieceBytes, ...(signal === undefined ? {} : { signal }) })
      : unpackFile(file, sizeBytes, signal);
  for await (const piece of pieces) {
    hash.update(piece);
    done += piece.length;
    onBytes?.(done);
  }
  return hash.digest('hex');
}
