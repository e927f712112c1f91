import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { collect, contentOf, frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const batOffset = 3 * mebibyte;
const sizeBytes = 4 * mebibyte;

function put(file: MemoryFile, offset: number, content: Buffer): void {
  file.apply({ kind: 'write', offset, content });
}

function batEntry(file: MemoryFile, index: number): { state: number; offset: number } {
  const value = file.peek(batOffset + index * 8, 8).readBigUInt64LE();
  return { state: Number(value & 7n), offset: Number(value >> 20n) * mebibyte };
}

function setState(file: MemoryFile, index: number, state: number): void {
  const entry = file.peek(batOffset + index * 8, 8);
  entry.writeUInt8((entry.readUInt8() & ~7) | state);
  put(file, batOffset + index * 8, entry);
}

/** A base full of 0xbb, and a child of it with 1 MiB blocks. */
async function chain(logicalSectorBytes = 512): Promise<{ base: MemoryFile; child: MemoryFile }> {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte, logicalSectorBytes });
  const layer = await openChain(base);
  await layer.write(Buffer.alloc(sizeBytes, 0xbb), 0);
  await layer.close();
  return { base, child: await newChild(base, { blockBytes: mebibyte }) };
}

test('states 0 to 3 of a disk without a parent read as zeros, whatever offset they keep', async () => {
  const { base } = await chain();
  for (const state of [0, 1, 2, 3]) {
    const file = base.copy();
    setState(file, 1, state);
    const layer = await openChain(frozen(file));
    const expected = Buffer.alloc(sizeBytes, 0xbb).fill(0, mebibyte, 2 * mebibyte);
    assert.ok((await contentOf(layer)).equals(expected), `state ${state}`);
    const states = (await collect(layer.extents(0, sizeBytes))).map((extent) => extent.state);
    assert.deepEqual(states, ['data', state === 0 ? 'parent' : 'zero', 'data']);
  }
});

test('in a child state 0 asks the parent, 1 to 3 do not', async () => {
  const { base, child } = await chain();
  const writing = await openChain(child, frozen(base));
  await writing.write(Buffer.alloc(sizeBytes, 0xcc), 0);
  await writing.close();
  [0, 1, 2, 3].forEach((state, index) => setState(child, index, state));
  const expected = Buffer.alloc(sizeBytes).fill(0xbb, 0, mebibyte);
  assert.ok((await contentOf(await openChain(frozen(child), frozen(base)))).equals(expected));
});

test('state 6 never consults the bitmap, state 7 must, and its bits begin with the lowest', async () => {
  const { base, child } = await chain();
  const writing = await openChain(child, frozen(base));
  await writing.write(Buffer.alloc(512, 0xcc), 3 * 512);
  await writing.close();
  assert.equal(batEntry(child, 0).state, 7);
  // 4096 payload entries of 1 MiB blocks, then the bitmap's.
  const bitmap = batEntry(child, 4096);
  assert.equal(bitmap.state, 6);
  assert.deepEqual([...child.peek(bitmap.offset, 3)], [0b1000, 0, 0]);

  put(child, bitmap.offset, Buffer.from([0b10000001, 0b10]));
  put(child, batEntry(child, 0).offset, Buffer.alloc(16 * 512, 0xdd));
  const partial = await contentOf(await openChain(frozen(child), frozen(base)), 0, 16 * 512);
  const presentSectors = [0, 7, 9];
  for (let sector = 0; sector < 16; sector++) {
    assert.equal(partial[sector * 512], presentSectors.includes(sector) ? 0xdd : 0xbb, `sector ${sector}`);
  }
  setState(child, 0, 6);
  const full = await contentOf(await openChain(frozen(child), frozen(base)), 0, 16 * 512);
  assert.ok(full.equals(Buffer.alloc(16 * 512, 0xdd)));
});

test('bits of an earlier life of a block do not show when it becomes partially present again', async () => {
  const { base, child } = await chain();
  const first = await openChain(child, frozen(base));
  await first.write(Buffer.alloc(2048, 0xcc), 0);
  await first.close();
  // As if the block had gone away, with its bits left behind.
  setState(child, 0, 0);
  const second = await openChain(child, frozen(base));
  await second.write(Buffer.alloc(512, 0xdd), 8192);
  await second.close();
  const expected = Buffer.alloc(mebibyte, 0xbb).fill(0xdd, 8192, 8192 + 512);
  assert.ok((await contentOf(await openChain(frozen(child), frozen(base)), 0, mebibyte)).equals(expected));
});

for (const logicalSectorBytes of [512, 4096]) {
  test(`a write that is no whole sector takes the rest of it from the parent: ${logicalSectorBytes} bytes`, async () => {
    const { base, child } = await chain(logicalSectorBytes);
    const layer = await openChain(child, frozen(base));
    await layer.write(Buffer.alloc(10, 0xcc), 5000);
    await layer.write(Buffer.alloc(10, 0xdd), 2 * mebibyte - 5);
    const expected = Buffer.alloc(sizeBytes, 0xbb)
      .fill(0xcc, 5000, 5010)
      .fill(0xdd, 2 * mebibyte - 5, 2 * mebibyte + 5);
    assert.ok((await contentOf(layer)).equals(expected));
    const extents = (await collect(layer.extents(0, mebibyte))).map(({ offset, length, state }) => [
      offset,
      length,
      state,
    ]);
    const start = 5000 - (5000 % logicalSectorBytes);
    assert.deepEqual(extents.slice(0, 2), [
      [0, start, 'parent'],
      [start, logicalSectorBytes, 'data'],
    ]);
    await layer.close();
    assert.ok((await contentOf(await openChain(frozen(child), frozen(base)))).equals(expected));
  });
}

test('a block of which all sectors have been written becomes fully present', async () => {
  const { base, child } = await chain();
  const layer = await openChain(child, frozen(base));
  await layer.write(Buffer.alloc(mebibyte - 512, 1), 0);
  await layer.write(Buffer.alloc(512, 1), mebibyte - 512);
  await layer.write(Buffer.alloc(mebibyte, 2), mebibyte);
  await layer.close();
  assert.deepEqual([batEntry(child, 0).state, batEntry(child, 1).state], [6, 6]);
});

test('zero hides the parent and takes no space; what it frees is used again', async () => {
  const { base, child } = await chain();
  const layer = await openChain(child, frozen(base));
  await layer.write(Buffer.alloc(sizeBytes, 1), 0);
  await layer.flush();
  const grown = child.sizeBytes;
  await layer.zero(0, 2 * mebibyte);
  await layer.discard(2 * mebibyte, mebibyte);
  await layer.flush();
  assert.ok(child.allocatedBytes < grown - 2 * mebibyte, 'given back to the file system');
  await layer.write(Buffer.alloc(512, 2), mebibyte + 512);
  await layer.write(Buffer.alloc(mebibyte, 3), 0);
  await layer.close();
  assert.equal(child.sizeBytes, grown);
  assert.deepEqual(
    [0, 1, 2, 3].map((block) => batEntry(child, block).state),
    [6, 6, 2, 6],
  );
  const expected = Buffer.alloc(sizeBytes)
    .fill(3, 0, mebibyte)
    .fill(2, mebibyte + 512, mebibyte + 1024)
    .fill(1, 3 * mebibyte);
  assert.ok((await contentOf(await openChain(frozen(child), frozen(base)))).equals(expected));
});

test('a fixed disk keeps its blocks, whatever is zeroed', async () => {
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte, isFixed: true });
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(sizeBytes, 1), 0);
  await layer.zero(100, 2 * mebibyte);
  await layer.discard(3 * mebibyte, mebibyte);
  assert.equal(await layer.compact({}), 0);
  await layer.close();
  assert.deepEqual(
    [0, 1, 2, 3].map((block) => batEntry(file, block).state),
    [6, 6, 6, 6],
  );
  const expected = Buffer.alloc(sizeBytes, 1)
    .fill(0, 100, 100 + 2 * mebibyte)
    .fill(0, 3 * mebibyte);
  assert.ok((await contentOf(await openChain(frozen(file)))).equals(expected));
});

test('extents name the place in the file, and neighbours are joined', async () => {
  const file = await newVhdx({ virtualSizeBytes: 8 * mebibyte, blockBytes: mebibyte });
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(2 * mebibyte, 1), mebibyte);
  await layer.write(Buffer.alloc(1, 1), 5 * mebibyte);
  await layer.zero(6 * mebibyte, mebibyte);
  assert.deepEqual(await collect(layer.extents(100, 8 * mebibyte - 200)), [
    { offset: 100, length: mebibyte - 100, state: 'parent' },
    { offset: mebibyte, length: 2 * mebibyte, state: 'data', fileOffset: 4 * mebibyte },
    { offset: 3 * mebibyte, length: 2 * mebibyte, state: 'parent' },
    { offset: 5 * mebibyte, length: mebibyte, state: 'data', fileOffset: 6 * mebibyte },
    { offset: 6 * mebibyte, length: 2 * mebibyte - 100, state: 'parent' },
  ]);
  const signal = AbortSignal.abort();
  await assert.rejects(collect(layer.extents(0, 1, signal)), { name: 'AbortError' });
  await layer.close();
});

test('a child cannot be read before its parent is there', async () => {
  const { child } = await chain();
  await assert.rejects(contentOf(await openChain(frozen(child)), 0, 1), { code: 'ParentMismatch' });
});

test('where the parent is shorter, zeros show through', async () => {
  const base = await newVhdx({ virtualSizeBytes: mebibyte + 512, blockBytes: mebibyte });
  const filling = await openChain(base);
  await filling.write(Buffer.alloc(mebibyte + 512, 0xbb), 0);
  await filling.close();
  const child = await newChild(base, { blockBytes: 2 * mebibyte });
  const layer = await openChain(child, frozen(base));
  await layer.resize(sizeBytes, {});
  await layer.write(Buffer.alloc(10, 0xcc), 2 * mebibyte + 100);
  const expected = Buffer.alloc(sizeBytes)
    .fill(0xbb, 0, mebibyte + 512)
    .fill(0xcc, 2 * mebibyte + 100, 2 * mebibyte + 110);
  assert.ok((await contentOf(layer)).equals(expected));
  await layer.close();
});

test('a bitmap with every other sector set is read in few pieces', async () => {
  const { base, child } = await chain();
  const layer = await openChain(child, frozen(base));
  const expected = Buffer.alloc(sizeBytes, 0xbb);
  for (let sector = 0; sector < 4096; sector += 2 + (sector % 3)) {
    await layer.write(Buffer.alloc(512, sector % 200), sector * 512);
    expected.fill(sector % 200, sector * 512, (sector + 1) * 512);
  }
  assert.ok((await contentOf(layer)).equals(expected));
  assert.ok((await contentOf(layer, 777, 3 * mebibyte)).equals(expected.subarray(777, 777 + 3 * mebibyte)));
  await layer.close();
});
