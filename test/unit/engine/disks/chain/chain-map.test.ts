import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChainMap, type ChainExtent } from '../../../../../engine/disks/chain-map.ts';
import type { Disk } from '../../../../../engine/disks/disk.ts';
import { BlockDisk, blockBytes } from '../nbd/block-disk.ts';

const size = 8 * blockBytes;

async function parts(chain: readonly Disk[], offset = 0, length = size): Promise<string[]> {
  const found: ChainExtent[] = [];
  for await (const part of new ChainMap(chain).extents(offset, length)) {
    found.push(part);
  }
  found.forEach((part, index) => {
    const before = found[index - 1];
    assert.equal(part.offset, before === undefined ? offset : before.offset + before.length, 'no gaps');
  });
  return found.map(({ length: bytes, state, depth, isBeyondParent }) =>
    [bytes / blockBytes, state, depth ?? '-', ...(isBeyondParent === true ? ['beyond'] : [])].join(' '),
  );
}

function layer(parent: BlockDisk | undefined, sizeBytes = size): BlockDisk {
  return new BlockDisk(sizeBytes, parent === undefined ? {} : { parent });
}

test('a disk that stands alone: what it has not is zero and of no layer', async () => {
  const disk = layer(undefined);
  await disk.write(Buffer.alloc(blockBytes, 1), blockBytes);
  await disk.zero(2 * blockBytes, blockBytes);
  assert.deepEqual(await parts([disk]), ['1 parent -', '1 data 0', '1 zero 0', '5 parent -']);
});

test('a chain: each part comes from the nearest layer that has it', async () => {
  const base = layer(undefined);
  await base.write(Buffer.alloc(size, 1), 0);
  const middle = layer(base);
  await middle.zero(blockBytes, 3 * blockBytes);
  const top = layer(middle);
  await top.write(Buffer.alloc(blockBytes, 2), 2 * blockBytes);
  const chain = [top, middle, base];
  assert.deepEqual(await parts(chain), ['1 data 2', '1 zero 1', '1 data 0', '1 zero 1', '4 data 2']);
  assert.deepEqual(await parts(chain, blockBytes, 2 * blockBytes), ['1 zero 1', '1 data 0']);
});

test('a parent that is shorter: beyond its end there are zeros', async () => {
  const base = layer(undefined, 2 * blockBytes);
  await base.write(Buffer.alloc(2 * blockBytes, 1), 0);
  const top = layer(base);
  await top.write(Buffer.alloc(blockBytes, 2), 5 * blockBytes);
  assert.deepEqual(await parts([top, base]), ['2 data 1', '3 zero 0 beyond', '1 data 0', '2 zero 0 beyond']);
  assert.deepEqual(await parts([top, base], 3 * blockBytes, blockBytes), ['1 zero 0 beyond']);
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
      for await (const _part of new ChainMap([layer(undefined)], signal).extents(0, size)) {
        assert.fail('it went on');
      }
    },
    { name: 'AbortError' },
  );
});
