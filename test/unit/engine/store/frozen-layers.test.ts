import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { factsOf } from '../../../../engine/store/frozen-layers.ts';
import { folderOf } from '../temporary-folder.ts';

/** As it is on record in every machine there is: 32 samples of 4 KiB, from the first bytes to the last. */
function fingerprintOf(content: Buffer): string {
  const hash = createHash('sha256');
  const last = Math.max(0, content.length - 4096);
  for (let sample = 0; sample < 32; sample++) {
    const offset = Math.floor((last * sample) / 31);
    hash.update(content.subarray(offset, offset + 4096));
  }
  return hash.digest('hex');
}

for (const sizeBytes of [0, 1, 4096, 5000, 200_000, 256 * 1024, 256 * 1024 + 1, 3_000_000]) {
  test(`the fingerprint of a file of ${sizeBytes} bytes → that of its samples`, async (context) => {
    const file = path.join(await folderOf(context), 'layer');
    const content = Buffer.from(Array.from({ length: sizeBytes }, (_, at) => (at * 7919) % 251));
    await writeFile(file, content);
    assert.equal((await factsOf(file)).fingerprint, fingerprintOf(content));
  });
}
