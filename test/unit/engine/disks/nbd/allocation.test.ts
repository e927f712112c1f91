import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocationOf, type Allocation, type DiskChain } from '../../../../../engine/disks/nbd/allocation.ts';
import { BlockDisk, blockBytes } from './block-disk.ts';

const size = 8 * blockBytes;

async function parts(chain: DiskChain, offset = 0, length = size): Promise<string[]> {
  const found: Allocation[] = [];
  for await (const part of allocationOf(chain, offset, length)) {
    found.push(part);
  }
  found.forEach((part, index) => {
    const before = found[index - 1];
    assert.equal(part.offset, before === undefined ? offset : before.offset + before.length, 'no gaps');
  });
  return found.map(({ length: bytes, isZero, depth }) => `${bytes / blockBytes} ${isZero ? 'zero' : 'data'} ${depth}`);
}

function layer(parent: BlockDisk | undefined, sizeBytes = size): BlockDisk {
  return new BlockDisk(sizeBytes, parent === undefined ? {} : { parent });
}

test('a disk that stands alone: what it has not is zero and held by nobody', async () => {
  const disk = layer(undefined);
  await disk.write(Buffer.alloc(blockBytes, 1), blockBytes);
  await disk.zero(2 * blockBytes, blockBytes);
  assert.deepEqual(await parts([disk]), ['1 zero 0', '1 data 1', '1 zero 1', '5 zero 0']);
});

test('a chain: each part comes from the nearest layer that has it', async () => {
  const base = layer(undefined);
  await base.write(Buffer.alloc(size, 1), 0);
  const middle = layer(base);
  await middle.zero(blockBytes, 3 * blockBytes);
  const top = layer(middle);
  await top.write(Buffer.alloc(blockBytes, 2), 2 * blockBytes);
  const chain: DiskChain = [top, middle, base];
  assert.deepEqual(await parts(chain), ['1 data 3', '1 zero 2', '1 data 1', '1 zero 2', '4 data 3']);
  assert.deepEqual(await parts(chain, blockBytes, 2 * blockBytes), ['1 zero 2', '1 data 1']);
});

test('a parent that is shorter: beyond its end there are zeros', async () => {
  const base = layer(undefined, 2 * blockBytes);
  await base.write(Buffer.alloc(2 * blockBytes, 1), 0);
  const top = layer(base);
  await top.write(Buffer.alloc(blockBytes, 2), 5 * blockBytes);
  assert.deepEqual(await parts([top, base]), ['2 data 2', '3 zero 0', '1 data 1', '2 zero 0']);
  assert.deepEqual(await parts([top, base], 3 * blockBytes, blockBytes), ['1 zero 0']);
});

test('layers below are not asked about what lies above them', async () => {
  const base = layer(undefined);
  const top = layer(base);
  await top.write(Buffer.alloc(size, 1), 0);
  await parts([top, base]);
  assert.equal(base.calls.extents, 0);
});

test('an aborted signal ends it', async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(
    async () => {
      for await (const _part of allocationOf([layer(undefined)], 0, size, signal)) {
        assert.fail('it went on');
      }
    },
    { name: 'AbortError' },
  );
});
