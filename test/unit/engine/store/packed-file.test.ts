import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { blockContentBytes, endOfBlocks, packBlock } from '../../../../engine/store/blocked-gzip.ts';
import { PackedFileDamaged, packFile, unpackFile } from '../../../../engine/store/packed-file.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const folder = folderOfSuite();
const random = seededRandom();
const [plain, packed] = [path.join(folder, 'plain'), path.join(folder, 'packed')];
const anyLength = Number.MAX_SAFE_INTEGER;

function noise(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

/** Zeros, text and noise in turn. */
function likeMemory(length: number): Buffer {
  const content = Buffer.alloc(length);
  for (let at = 0; at < length; at += 30_000) {
    const part = [Buffer.alloc(0), Buffer.from('a page of text '.repeat(500)), noise(2000)][Math.floor(random() * 3)];
    part?.copy(content, at);
  }
  return content;
}

async function pack(content: Buffer): Promise<number> {
  await writeFile(plain, content);
  await rm(packed, { force: true });
  const done = await packFile(plain, packed, { mostBytes: anyLength });
  assert.equal(done?.sha256, createHash('sha256').update(content).digest('hex'));
  assert.equal(done.packedBytes, (await stat(packed)).size);
  return done.packedBytes;
}

async function unpack(contentBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of unpackFile(packed, contentBytes)) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const mebibyte = 1024 * 1024;

for (const length of [
  0,
  1,
  blockContentBytes - 1,
  blockContentBytes,
  blockContentBytes + 1,
  3 * mebibyte + 7,
  40 * mebibyte,
]) {
  test(`${length} bytes packed → unpacked they are the same, and any gzip reads them, too`, async () => {
    const content = likeMemory(length);
    await pack(content);
    assert.ok((await unpack(length)).equals(content));
    assert.ok(gunzipSync(await readFile(packed)).equals(content));
  });
}

test('zeros → next to nothing', async () => {
  assert.ok((await pack(Buffer.alloc(16 * mebibyte))) < 100 * 1024);
});

test('what does not shrink fits into its blocks all the same', async () => {
  const content = noise(blockContentBytes);
  const block = await packBlock(content);
  assert.ok(block.length <= 65_536);
  assert.ok(gunzipSync(block).equals(content));
});

test('it would become longer than is allowed → given up, before all of it was packed', async () => {
  await writeFile(plain, noise(2 * mebibyte));
  await rm(packed, { force: true });
  assert.equal(await packFile(plain, packed, { mostBytes: mebibyte }), undefined);
});

test('the signal is aborted → packing and unpacking end with its reason', async () => {
  const content = likeMemory(4 * mebibyte);
  await pack(content);
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await rm(path.join(folder, 'never'), { force: true });
  await assert.rejects(packFile(plain, path.join(folder, 'never'), { mostBytes: anyLength, signal }), reason);
  await assert.rejects(async () => {
    for await (const piece of unpackFile(packed, content.length, signal)) {
      assert.ok(piece);
    }
  }, reason);
});

test('any byte altered, any end cut off → told as damaged, or the same content; never more than it should hold', async () => {
  const content = likeMemory(300_000);
  await pack(content);
  const whole = await readFile(packed);
  for (let round = 0; round < 300; round++) {
    const at = Math.floor(random() * whole.length);
    const damaged = round % 3 === 0 ? whole.subarray(0, at) : Buffer.from(whole);
    if (round % 3 !== 0) {
      damaged[at] = (damaged[at] ?? 0) ^ (1 + Math.floor(random() * 255));
    }
    await writeFile(packed, damaged);
    const found = await unpack(content.length).catch((error: unknown) => {
      assert.ok(error instanceof PackedFileDamaged, String(error));
      return undefined;
    });
    // Of a header not every byte counts: its time, for example.
    assert.ok(found === undefined || (round % 3 !== 0 && found.equals(content)), `byte ${at}`);
  }
});

test('other gzip, blocks that hold more than they say, or than they should → damaged', async () => {
  const more = await packBlock(Buffer.alloc(60_000, 'x'));
  const lying = Buffer.from(more);
  lying.writeUInt32LE(10, lying.length - 4);
  for (const file of [
    gzipSync('other'),
    Buffer.concat([lying, endOfBlocks]),
    Buffer.concat([more, more, endOfBlocks]),
    more,
  ]) {
    await writeFile(packed, file);
    await assert.rejects(unpack(60_000), PackedFileDamaged);
  }
});
