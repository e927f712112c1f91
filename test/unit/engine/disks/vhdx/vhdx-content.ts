import { createHash } from 'node:crypto';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { mebibyte } from './vhdx-files.ts';

const zeros = Buffer.alloc(mebibyte);

/** SHA-256 of a disk's content, without reading what its extents say is zero. */
export async function hashOf(layer: Layer): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(mebibyte);
  for await (const { offset, length, state } of layer.extents(0, layer.virtualSizeBytes)) {
    const isZero = state === 'zero' || (state === 'parent' && layer.parentReference === undefined);
    for (let at = 0; at < length; at += mebibyte) {
      const piece = (isZero ? zeros : buffer).subarray(0, Math.min(mebibyte, length - at));
      if (!isZero) {
        await layer.read(piece, offset + at);
      }
      hash.update(piece);
    }
  }
  return hash.digest('hex');
}
