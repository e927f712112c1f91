import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { inflateInto } from '../../../../engine/disks/raw-inflate.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';

const clusterSize = 64 * 1024;
/** Bytes on both sides of the buffer that is to be filled. */
const margin = 4096;
const skip =
  inflateInto === undefined && (process.platform === 'win32' ? 'this process has no zlib that can be called' : false);

/** Inflates between two margins, which have to stay as they were. */
async function inflated(compressed: Buffer, length: number): Promise<Buffer | undefined> {
  assert.ok(inflateInto !== undefined);
  const around = Buffer.alloc(length + 2 * margin, 0xaa);
  const isWhole = await inflateInto(compressed, around.subarray(margin, margin + length));
  const untouched = Buffer.alloc(margin, 0xaa);
  assert.ok(around.subarray(0, margin).equals(untouched), 'before the buffer');
  assert.ok(around.subarray(margin + length).equals(untouched), 'behind the buffer');
  return isWhole ? around.subarray(margin, margin + length) : undefined;
}

test('inflates many clusters at a time, each into its own place', { skip }, async () => {
  const contents = Array.from({ length: 100 }, (_, index) =>
    taggedContent(index * clusterSize, index % 3 === 0 ? 512 : clusterSize, index),
  );
  const found = await Promise.all(
    contents.map((content, index) => {
      const compressed = zlib.deflateRawSync(content, { level: index % 10 });
      // What follows the end of the data is another cluster's.
      return inflated(Buffer.concat([compressed, Buffer.alloc(index, index)]), content.length);
    }),
  );
  contents.forEach((content, index) => assert.ok(found[index]?.equals(content), `cluster ${index}`));
});

test('data that is damaged, cut off, too short or too long is not taken, and goes nowhere else', { skip }, async () => {
  const compressed = zlib.deflateRawSync(taggedContent(0, clusterSize, 1));
  const bomb = zlib.deflateRawSync(Buffer.alloc(16 * 1024 * 1024));
  const refused: [string, Buffer][] = [
    ['damaged', Buffer.alloc(clusterSize, 0xff)],
    ['empty', Buffer.alloc(0)],
    ['cut off', compressed.subarray(0, compressed.length - 8)],
    ['too short', zlib.deflateRawSync(taggedContent(0, clusterSize - 1, 1))],
    ['too long', zlib.deflateRawSync(taggedContent(0, clusterSize + 1, 1))],
    ['a bomb', bomb],
  ];
  for (const [what, content] of refused) {
    assert.equal(await inflated(content, clusterSize), undefined, what);
  }
  const found = await inflated(compressed, clusterSize);
  assert.ok(found?.equals(taggedContent(0, clusterSize, 1)), 'and the next one is right again');
});
