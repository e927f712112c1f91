import assert from 'node:assert/strict';
import { test } from 'node:test';
import { structureChecksum } from '../../../../../engine/disks/vhdx/crc32c.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { activeSequence, updatesOf } from '../../../../../engine/disks/vhdx/log-sequence.ts';
import { encodeEntry, type SectorUpdate } from '../../../../../engine/disks/vhdx/log-writer.ts';
import { headerOffsets } from '../../../../../engine/disks/vhdx/structures.ts';
import { DiskModel } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { about, collect, contentOf, frozen, mebibyte, newVhdx, openChain } from './vhdx-files.ts';

const sector = 4096;
const logGuid = '11111111-2222-3333-4444-555555555555';
const range = { offset: mebibyte, length: mebibyte };
const noSizes = { flushedFileOffset: 0, lastFileOffset: 0 };

function update(fileOffset: number, fill: string | number, length = sector): SectorUpdate {
  return { fileOffset, content: Buffer.alloc(length, fill) };
}

/** Puts entries into a log of 1 MiB; offsets in sectors, an entry that goes beyond the end wraps. */
function logWith(entries: { at: number; entry: Buffer }[]): Buffer {
  const log = Buffer.alloc(range.length);
  for (const { at, entry } of entries) {
    for (let done = 0; done < entry.length; done += sector) {
      entry.copy(log, (at * sector + done) % log.length, done, done + sector);
    }
  }
  return log;
}

function entryOf(
  at: number,
  sequenceNumber: bigint,
  updates: SectorUpdate[],
  tail = at,
  guid = logGuid,
): { at: number; entry: Buffer } {
  return { at, entry: encodeEntry(updates, { ...noSizes, tail: tail * sector, sequenceNumber, logGuid: guid }) };
}

function numbersOf(log: Buffer): number[] {
  return activeSequence(log, range, logGuid).map(({ sequenceNumber }) => Number(sequenceNumber));
}

test('an entry: descriptors, data sectors with their first 8 and last 4 bytes taken out, zeros without a sector', () => {
  const content = Buffer.from(Array.from({ length: sector }, (_, index) => (index * 7) % 251));
  const log = logWith([entryOf(0, 0x123456789n, [{ fileOffset: 3 * mebibyte, content }, update(4 * mebibyte, 0)])]);
  assert.equal(log.toString('latin1', 0, 4), 'loge');
  assert.equal(log.toString('latin1', 64, 68), 'desc');
  assert.ok(log.subarray(72, 80).equals(content.subarray(0, 8)), 'LeadingBytes');
  assert.ok(log.subarray(68, 72).equals(content.subarray(sector - 4)), 'TrailingBytes');
  assert.equal(log.toString('latin1', 96, 100), 'zero');
  assert.equal(log.toString('latin1', sector, sector + 4), 'data');
  assert.deepEqual([log.readUInt32LE(sector + 4), log.readUInt32LE(2 * sector - 4)], [1, 0x23456789]);
  const [entry] = activeSequence(log, range, logGuid);
  assert.ok(entry);
  assert.equal(entry.length, 2 * sector);
  const [data, zeros] = [...updatesOf(log, entry)];
  assert.ok(data?.content?.equals(content));
  assert.deepEqual(
    [zeros?.fileOffset, zeros?.length, zeros?.content],
    [BigInt(4 * mebibyte), BigInt(sector), undefined],
  );
});

test('the sequence goes from the tail entry to the head entry, in order', () => {
  const entries = [1n, 2n, 3n, 4n].map((number, index) => entryOf(2 * index, number, [update(3 * mebibyte, 1)], 2));
  assert.deepEqual(numbersOf(logWith(entries)), [2, 3, 4]);
});

test('the newest complete sequence counts', () => {
  const older = [5n, 6n].map((number, index) => entryOf(2 * index, number, [update(3 * mebibyte, 1)], 0));
  const newer = [9n, 10n].map((number, index) => entryOf(100 + 2 * index, number, [update(3 * mebibyte, 1)], 100));
  assert.deepEqual(numbersOf(logWith([...older, ...newer])), [9, 10]);
  // Its tail is gone: the older one is the newest that is complete.
  const broken = logWith([...older, ...newer]);
  broken.fill(0, 100 * sector, 101 * sector);
  assert.deepEqual(numbersOf(broken), [5, 6]);
});

test('the ring wraps: between entries, within one, and from the head back to a tail at the end', () => {
  const wide = [update(3 * mebibyte, 1), update(3 * mebibyte + sector, 2), update(3 * mebibyte + 2 * sector, 3)];
  const log = logWith([entryOf(250, 7n, wide, 250), entryOf(254, 8n, wide, 250), entryOf(2, 9n, wide, 250)]);
  assert.deepEqual(numbersOf(log), [7, 8, 9]);
  const [, wrapped] = activeSequence(log, range, logGuid);
  assert.ok(wrapped);
  assert.deepEqual(
    [...updatesOf(log, wrapped)].map(({ content }) => content?.[100]),
    [1, 2, 3],
  );
  assert.deepEqual(
    numbersOf(logWith([entryOf(254, 4n, [update(3 * mebibyte, 1)]), entryOf(0, 5n, wide, 254)])),
    [4, 5],
  );
});

test('entries that do not count: another LogGuid, a gap in the numbers, a wrong checksum, number, signature or place', () => {
  const first = entryOf(0, 1n, [update(3 * mebibyte, 1)], 0);
  const second = (change: (entry: Buffer) => void, mend = true): Buffer => {
    const { entry } = entryOf(2, 2n, [update(3 * mebibyte, 1), update(3 * mebibyte + sector, 2)], 0);
    change(entry);
    if (mend) {
      entry.writeUInt32LE(structureChecksum(entry, 4), 4);
    }
    return logWith([first, { at: 2, entry }]);
  };
  assert.deepEqual(numbersOf(second(() => undefined)), [1, 2]);
  const other = '99999999-2222-3333-4444-555555555555';
  assert.deepEqual(numbersOf(logWith([first, entryOf(2, 2n, [], 0, other)])), [1]);
  assert.deepEqual(numbersOf(logWith([first, entryOf(2, 3n, [], 0)])), [1]);
  assert.deepEqual(numbersOf(second((entry) => entry.fill(9, 5000, 5001), false)), [1], 'Checksum');
  for (const change of [
    (entry: Buffer) => entry.writeUInt32LE(0x656d6f6c, 0),
    (entry: Buffer) => entry.writeUInt32LE(entry.length + sector, 8),
    (entry: Buffer) => entry.writeUInt32LE(0, 8),
    (entry: Buffer) => entry.writeUInt32LE(100, 12),
    (entry: Buffer) => entry.writeUInt32LE(mebibyte, 12),
    (entry: Buffer) => entry.writeUInt32LE(3, 24),
    (entry: Buffer) => entry.writeUInt32LE(0xffffffff, 24),
    (entry: Buffer) => entry.writeBigUInt64LE(3n, 64 + 24),
    (entry: Buffer) => entry.writeUInt32LE(0x12345678, 64),
    (entry: Buffer) => entry.writeBigUInt64LE(BigInt(3 * mebibyte + 512), 64 + 16),
    // Headers are never logged, nor is the log.
    (entry: Buffer) => entry.writeBigUInt64LE(BigInt(headerOffsets[0]), 64 + 16),
    (entry: Buffer) => entry.writeBigUInt64LE(BigInt(mebibyte + sector), 64 + 16),
    (entry: Buffer) => entry.writeUInt32LE(7, sector + 4),
    (entry: Buffer) => entry.writeUInt32LE(7, 2 * sector - 4),
    (entry: Buffer) => entry.writeUInt32LE(0x61746165, sector),
  ]) {
    assert.deepEqual(numbersOf(second(change)), [1], change.toString());
  }
});

/** A disk with a log to be replayed, which a test writes itself. */
async function withLog(entry: Buffer): Promise<MemoryFile> {
  const file = await newVhdx({ virtualSizeBytes: 4 * mebibyte, blockBytes: mebibyte });
  file.apply({ kind: 'write', offset: range.offset, content: entry });
  for (const at of headerOffsets) {
    const header = file.peek(at, sector);
    Buffer.from('11111111222233334444555555555555', 'hex').copy(header, 48);
    // The first three parts are little-endian.
    Buffer.from('1111111122223333', 'hex').subarray(0, 4).reverse().copy(header, 48);
    Buffer.from('2222', 'hex').reverse().copy(header, 52);
    Buffer.from('3333', 'hex').reverse().copy(header, 54);
    header.writeUInt32LE(structureChecksum(header, 4), 4);
    file.apply({ kind: 'write', offset: at, content: header });
  }
  return file;
}

/** A BAT sector in which the first block is present at so many MiB. */
function batSector(offsetMebibytes: number): SectorUpdate {
  const content = Buffer.alloc(sector);
  content.writeBigUInt64LE((BigInt(offsetMebibytes) << 20n) | 6n);
  return { fileOffset: 3 * mebibyte, content };
}

test('replay: metadata from the log, and the file as long as LastFileOffset asks for', async () => {
  const facts = { tail: 0, sequenceNumber: 1n, logGuid, flushedFileOffset: 4 * mebibyte, lastFileOffset: 6 * mebibyte };
  const file = await withLog(encodeEntry([batSector(5)], facts));
  const before = file.peek(0, file.sizeBytes);
  const readOnly = await openChain(frozen(file));
  assert.ok((await contentOf(readOnly)).equals(Buffer.alloc(4 * mebibyte)));
  const [extent] = await collect(readOnly.extents(0, mebibyte));
  assert.deepEqual(extent, { offset: 0, length: mebibyte, state: 'data', fileOffset: 5 * mebibyte });
  assert.ok(file.peek(0, file.sizeBytes).equals(before));
  const guids = readOnly.identity;
  const writable = await openChain(file);
  assert.equal(file.sizeBytes, 6 * mebibyte);
  assert.notEqual(writable.identity['FileWriteGuid'], guids['FileWriteGuid']);
  assert.equal(writable.identity['DataWriteGuid'], guids['DataWriteGuid']);
  await writable.close();
  assert.ok(file.peek(3 * mebibyte, 8).equals(batSector(5).content.subarray(0, 8)));
});

test('replay: a long zero descriptor', async () => {
  const facts = { ...noSizes, tail: 0, sequenceNumber: 1n, logGuid };
  const file = await withLog(encodeEntry([update(3 * mebibyte, 0, mebibyte)], facts));
  file.apply({ kind: 'write', offset: 3 * mebibyte, content: Buffer.alloc(mebibyte, 0xff) });
  assert.ok((await contentOf(await openChain(frozen(file)))).equals(Buffer.alloc(4 * mebibyte)));
  await (await openChain(file)).close();
  assert.ok(file.peek(3 * mebibyte, mebibyte).equals(Buffer.alloc(mebibyte)));
});

test('refused: no valid entry, a file shorter than FlushedFileOffset, a log that changes too much', async () => {
  const facts = { ...noSizes, tail: 0, sequenceNumber: 1n, logGuid };
  await assert.rejects(vhdxDriver.open({ file: await withLog(Buffer.alloc(sector)) }), about('ImageDamaged', 'log'));
  const short = await withLog(encodeEntry([], { ...facts, flushedFileOffset: 5 * mebibyte }));
  for (const file of [frozen(short), short]) {
    await assert.rejects(vhdxDriver.open({ file }), about('ImageDamaged', 'FlushedFileOffset'));
  }
  const vast = encodeEntry([update(3 * mebibyte, 0)], facts);
  vast.writeBigUInt64LE(2n ** 40n, 64 + 8);
  vast.writeUInt32LE(structureChecksum(vast, 4), 4);
  await assert.rejects(vhdxDriver.open({ file: await withLog(vast) }), about('ImageDamaged', 'ZeroLength'));
  const far = encodeEntry([], { ...facts, lastFileOffset: 2 ** 50 });
  await assert.rejects(vhdxDriver.open({ file: await withLog(far) }), about('ImageDamaged', 'LastFileOffset'));
});

test('our own log: every change of tables passes through it, and the ring goes round many times', async () => {
  const sizeBytes = 64 * mebibyte;
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const model = new DiskModel(sizeBytes);
  const layer = await openChain(file);
  let last = 0n;
  for (let step = 0; step < 400; step++) {
    const offset = (step % 64) * mebibyte;
    if (step % 128 < 64) {
      const content = Buffer.alloc(512, step);
      await layer.write(content, offset);
      model.write(content, offset);
    } else {
      await layer.discard(offset, mebibyte);
      model.zero(offset, mebibyte);
    }
    await layer.flush();
    if (step % 40 === 39) {
      // As it would be found now, had the power gone: with a log to replay.
      const found = await openChain(frozen(file));
      const guid = found.details['LogGuid'];
      assert.ok(typeof guid === 'string' && !guid.startsWith('00000000'));
      await model.assertSame(found, `after ${step} flushes`);
      const head = activeSequence(file.peek(mebibyte, mebibyte), range, guid).at(-1);
      assert.ok(head !== undefined && head.sequenceNumber > last);
      last = head.sequenceNumber;
      assert.ok(Number(head.flushedFileOffset) <= file.sizeBytes && Number(head.lastFileOffset) <= file.sizeBytes);
    }
  }
  assert.ok(last * 2n * BigInt(sector) > BigInt(2 * mebibyte), 'the ring went round');
  await layer.close();
  const closed = await openChain(frozen(file));
  assert.equal(closed.details['LogGuid'], '00000000-0000-0000-0000-000000000000');
  await model.assertSame(closed);
});
