import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PiecesRead } from '../../../../../engine/disks/pieces-read.ts';

const content = Buffer.from(Array.from({ length: 100 }, (_, index) => index));

/** A file that notes where it was read. */
function notedFile(): { file: ConstructorParameters<typeof PiecesRead>[0]; reads: number[] } {
  const reads: number[] = [];
  return {
    reads,
    file: {
      path: '/disk',
      read: async (buffer, offset) => {
        reads.push(offset);
        return content.copy(buffer, 0, Math.min(offset, content.length));
      },
    },
  };
}

test('what lies in a piece is had without another read, everything else is read', async () => {
  const { file, reads } = notedFile();
  const pieces = new PiecesRead(file);
  await pieces.fetch(Buffer.alloc(20), 10);
  for (const [offset, length] of [
    [10, 20],
    [29, 1],
    [5, 10],
    [29, 2],
  ] as const) {
    assert.deepEqual(await pieces.bytes(offset, length), content.subarray(offset, offset + length));
  }
  assert.deepEqual(reads, [10, 5, 29]);
});

test('at the end of the file there are fewer bytes, never those of the buffer that was there before', async () => {
  const { file } = notedFile();
  const pieces = new PiecesRead(file);
  await pieces.fetch(Buffer.alloc(40, 0xff), 90);
  assert.deepEqual(await pieces.bytes(95, 5), content.subarray(95));
  assert.deepEqual(await pieces.bytes(95, 10), content.subarray(95));
  assert.deepEqual(await pieces.bytes(200, 10), Buffer.alloc(0));
});
