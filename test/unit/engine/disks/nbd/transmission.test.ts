import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { nbdLimits } from '../../../../../engine/disks/nbd/limits.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { BlockDisk, blockBytes } from './block-disk.ts';
import { NbdClient, u32 } from './client.ts';
import { serve } from './serving.ts';

const MiB = 1 << 20;
const read = 0;
const write = 1;
const disconnect = 2;
const flush = 3;
const trim = 4;
const cache = 5;
const writeZeroes = 6;
const blockStatus = 7;
const fua = 1;
const noHole = 2;
const df = 4;
const reqOne = 8;
const fastZero = 16;
const EPERM = 1;
const EIO = 5;
const EINVAL = 22;
const ENOSPC = 28;
const EOVERFLOW = 75;
const ENOTSUP = 95;

async function connected(
  context: TestContext,
  disk: BlockDisk,
  options: Parameters<NbdClient['go']>[0] & { isReadOnly?: boolean } = {},
): Promise<NbdClient> {
  const { isReadOnly = false } = options;
  const server = await serve(context, [disk], { isReadOnly });
  const client = await NbdClient.connect(server.socketPath);
  await client.go(options);
  return client;
}

async function errorOf(client: NbdClient): Promise<number> {
  const [chunk] = await client.chunks();
  assert.equal(chunk?.type, 0x8001);
  const length = chunk.payload.readUInt16BE(4);
  assert.equal(chunk.payload.length, 6 + length, 'the message fills the chunk');
  assert.ok(length > 0, 'an error comes with a sentence');
  return chunk.payload.readUInt32BE(0);
}

/** What the chunks of a structured READ reply add up to. */
function assembled(chunks: { type: number; payload: Buffer }[], offset: number, length: number): Buffer {
  const content = Buffer.alloc(length, 0xee);
  for (const { type, payload } of chunks) {
    const at = type === 0 ? 0 : Number(payload.readBigUInt64BE(0)) - offset;
    if (type === 1) {
      payload.copy(content, at, 8);
    } else if (type === 2) {
      content.fill(0, at, at + payload.readUInt32BE(8));
    } else {
      assert.equal(type, 0);
    }
  }
  return content;
}

test('write → read gives it back, at any alignment, in simple and in structured replies', async (context) => {
  for (const structured of [false, true]) {
    const client = await connected(context, new BlockDisk(4 * MiB), { structured });
    for (const [offset, length] of [
      [0, 512],
      [4095, 2],
      [12_345, 100_000],
      [MiB + 1, 3 * MiB - 1],
    ] as const) {
      const content = taggedContent(offset, length, offset + 1);
      client.request(write, offset, length, { data: content, cookie: 7 });
      assert.deepEqual(await client.simpleReply(), { error: 0, cookie: 7, data: Buffer.alloc(0) });
      client.request(read, offset, length, { cookie: 8 });
      const found = structured
        ? assembled(await client.chunks(), offset, length)
        : (await client.simpleReply(length)).data;
      assert.ok(found.equals(content), `${length} bytes at ${offset}`);
    }
  }
});

test('a request that arrives byte by byte is understood', async (context) => {
  const client = await connected(context, new BlockDisk(MiB));
  client.socket.setNoDelay();
  const content = taggedContent(0, 600, 3);
  client.request(write, 512, 600, { data: content });
  assert.equal((await client.simpleReply()).error, 0);
  const request = Buffer.concat([u32(0x25609513), u32(read), Buffer.alloc(15), Buffer.from([0]), u32(1112)]);
  for (const byte of request) {
    client.send(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { data } = await client.simpleReply(1112);
  assert.ok(data.equals(Buffer.concat([Buffer.alloc(512), content])));
});

test('READ of a range with holes → hole chunks, and no read of the holes', async (context) => {
  const disk = new BlockDisk(64 * MiB);
  await disk.write(taggedContent(MiB, MiB, 1), MiB);
  const client = await connected(context, disk, { structured: true });
  client.request(read, 0, 32 * MiB);
  const chunks = await client.chunks();
  const holes = chunks.filter(({ type }) => type === 2).map(({ payload }) => payload.readUInt32BE(8));
  assert.deepEqual(holes, [MiB, 30 * MiB]);
  assert.equal(disk.calls.read, MiB / nbdLimits.pieceBytes);
  const content = assembled(chunks, 0, 32 * MiB);
  assert.ok(content.subarray(MiB, 2 * MiB).equals(taggedContent(MiB, MiB, 1)));
  assert.ok(
    content.subarray(0, MiB).equals(Buffer.alloc(MiB)) && content.subarray(2 * MiB).every((byte) => byte === 0),
  );
});

test('a scattered range → all of it comes, with a bounded number of extents looked at', async (context) => {
  const disk = new BlockDisk(8 * MiB);
  for (let at = 0; at < 8 * MiB; at += 2 * blockBytes) {
    await disk.write(taggedContent(at, blockBytes, 9), at);
  }
  const client = await connected(context, disk, { structured: true });
  client.request(read, 0, 8 * MiB);
  const chunks = await client.chunks();
  assert.ok(chunks.length <= nbdLimits.readExtents + (8 * MiB) / nbdLimits.pieceBytes + 2, `${chunks.length} chunks`);
  const expected = Buffer.alloc(8 * MiB);
  await disk.read(expected, 0);
  assert.ok(assembled(chunks, 0, 8 * MiB).equals(expected));
});

test('READ with DF → one data chunk, holes filled in; beyond a piece → EOVERFLOW', async (context) => {
  const disk = new BlockDisk(4 * MiB);
  await disk.write(taggedContent(0, 4096, 1), 0);
  const client = await connected(context, disk, { structured: true });
  client.request(read, 0, 65_536, { flags: df });
  const chunks = await client.chunks();
  assert.deepEqual([chunks.length, chunks[0]?.type, chunks[0]?.payload.length], [1, 1, 8 + 65_536]);
  client.request(read, 0, MiB, { flags: df });
  assert.equal(await errorOf(client), EOVERFLOW);
});

test('length 0 → success for READ and WRITE', async (context) => {
  const client = await connected(context, new BlockDisk(MiB), { structured: true });
  client.request(read, 0, 0);
  assert.deepEqual(await client.chunks(), [{ type: 0, payload: Buffer.alloc(0) }]);
  client.request(write, 0, 0);
  assert.equal((await client.simpleReply()).error, 0);
});

test('beyond the end: READ, TRIM, CACHE and BLOCK_STATUS → EINVAL; WRITE and WRITE_ZEROES → ENOSPC', async (context) => {
  const disk = new BlockDisk(MiB);
  const client = await connected(context, disk, { structured: true, contexts: ['base:allocation'] });
  for (const [type, error] of [
    [read, EINVAL],
    [trim, EINVAL],
    [cache, EINVAL],
    [blockStatus, EINVAL],
    [writeZeroes, ENOSPC],
  ] as const) {
    for (const [offset, length] of [
      [MiB - 512, 513],
      [MiB, 1],
      [2n ** 64n - 1n, 1],
      [2n ** 63n, 512],
    ] as const) {
      client.request(type, offset, length);
      assert.equal(await errorOf(client), error, `request ${type} at ${offset}`);
    }
  }
  client.request(write, MiB - 512, 1024, { data: Buffer.alloc(1024, 1) });
  assert.equal(await errorOf(client), ENOSPC);
  client.request(read, 0, 512);
  assert.ok(assembled(await client.chunks(), 0, 512).equals(Buffer.alloc(512)), 'the stream is still in step');
  assert.equal(disk.calls.write, 0);
});

test('read-only → EPERM for all that writes; nothing reaches the disk', async (context) => {
  const disk = new BlockDisk(MiB);
  const client = await connected(context, disk, { structured: true, isReadOnly: true });
  client.request(write, 0, 300_000, { data: Buffer.alloc(300_000, 1) });
  assert.equal(await errorOf(client), EPERM);
  client.request(trim, 0, 512);
  assert.equal(await errorOf(client), EPERM);
  client.request(writeZeroes, 0, 512);
  assert.equal(await errorOf(client), EPERM);
  client.request(flush, 0, 0);
  assert.equal((await client.simpleReply()).error, 0);
  assert.deepEqual([disk.calls.write, disk.calls.discard, disk.calls.zero, disk.calls.flush], [0, 0, 0, 0]);
});

test('FLUSH flushes; FUA flushes before the reply; without FUA nothing does', async (context) => {
  const disk = new BlockDisk(MiB);
  const client = await connected(context, disk);
  const flushes = async (type: number, flags: number): Promise<number> => {
    const before = disk.calls.flush;
    const isWrite = type === write;
    client.request(type, 0, type === flush ? 0 : 512, { flags, ...(isWrite ? { data: Buffer.alloc(512) } : {}) });
    assert.equal((await client.simpleReply()).error, 0);
    return disk.calls.flush - before;
  };
  assert.equal(await flushes(flush, 0), 1);
  for (const type of [write, trim, writeZeroes]) {
    assert.equal(await flushes(type, fua), 1, `type ${type}`);
    assert.equal(await flushes(type, 0), 0, `type ${type}`);
  }
});

test('WRITE_ZEROES → zero without data; NO_HOLE → data that is zero; FAST_ZERO → ENOTSUP and nothing changed', async (context) => {
  const disk = new BlockDisk(4 * MiB);
  const content = taggedContent(0, 4 * MiB, 5);
  await disk.write(content, 0);
  const client = await connected(context, disk, { structured: true, contexts: ['base:allocation'] });
  client.request(writeZeroes, 0, MiB, { flags: fastZero });
  assert.equal(await errorOf(client), ENOTSUP);
  client.request(writeZeroes, MiB, MiB);
  client.request(writeZeroes, 2 * MiB, MiB, { flags: noHole });
  await client.chunks();
  await client.chunks();
  client.request(trim, 3 * MiB + 1, MiB - 1);
  await client.chunks();
  client.request(read, 0, 4 * MiB);
  const expected = Buffer.concat([content.subarray(0, MiB), Buffer.alloc(2 * MiB), content.subarray(3 * MiB)]);
  assert.ok(assembled(await client.chunks(), 0, 4 * MiB).equals(expected.fill(0, 3 * MiB + 1)));
  client.request(blockStatus, 0, 3 * MiB);
  const [status] = await client.chunks();
  // Data, then hole and zero, then data.
  assert.deepEqual(status?.payload, Buffer.concat([u32(1), u32(MiB), u32(0), u32(MiB), u32(3), u32(MiB), u32(0)]));
});

test('BLOCK_STATUS with REQ_ONE → one extent, within the request; without a context or a length → EINVAL', async (context) => {
  const disk = new BlockDisk(4 * MiB);
  await disk.write(Buffer.alloc(MiB, 1), MiB);
  const client = await connected(context, disk, { structured: true, contexts: ['base:allocation'] });
  client.request(blockStatus, 512, 4 * MiB - 512, { flags: reqOne });
  assert.deepEqual((await client.chunks())[0]?.payload, Buffer.concat([u32(1), u32(MiB - 512), u32(3)]));
  client.request(blockStatus, 512, 1024, { flags: reqOne });
  assert.deepEqual((await client.chunks())[0]?.payload, Buffer.concat([u32(1), u32(1024), u32(3)]));
  client.request(blockStatus, 0, 0);
  assert.equal(await errorOf(client), EINVAL);
  const other = await connected(context, disk, { structured: true });
  other.request(blockStatus, 0, 512);
  assert.equal(await errorOf(other), EINVAL);
});

test('BLOCK_STATUS of a scattered disk → as many descriptors as one reply may have, and the rest when asked', async (context) => {
  const blocks = nbdLimits.descriptors + 1000;
  const disk = new BlockDisk(blocks * blockBytes);
  for (let block = 0; block < blocks; block += 2) {
    await disk.zero(block * blockBytes, blockBytes);
    await disk.write(Buffer.alloc(1, 1), (block + 1) * blockBytes);
  }
  const client = await connected(context, disk, { structured: true, contexts: ['base:allocation'] });
  let at = 0;
  let asked = 0;
  for (; at < disk.virtualSizeBytes; asked++) {
    client.request(blockStatus, at, disk.virtualSizeBytes - at);
    const payload = (await client.chunks())[0]?.payload ?? Buffer.alloc(0);
    assert.ok((payload.length - 4) / 8 <= nbdLimits.descriptors);
    for (let entry = 4; entry < payload.length; entry += 8) {
      assert.equal(payload.readUInt32BE(entry + 4), (at / blockBytes) % 2 === 0 ? 3 : 0);
      at += payload.readUInt32BE(entry);
    }
  }
  assert.deepEqual([asked, at], [2, disk.virtualSizeBytes]);
});

test('unknown commands and flags → EINVAL, and the connection goes on', async (context) => {
  const client = await connected(context, new BlockDisk(MiB), { structured: true });
  for (const [type, flags] of [
    [99, 0],
    [8, 0],
    [read, noHole],
    [read, 0x8000],
    [flush, df],
    [trim, fastZero],
  ] as const) {
    client.request(type, 0, 512, { flags });
    assert.equal(await errorOf(client), EINVAL, `type ${type}, flags ${flags}`);
  }
  client.request(write, 0, 512, { flags: noHole, data: Buffer.alloc(512, 1) });
  assert.equal(await errorOf(client), EINVAL);
  client.request(cache, 0, MiB, { flags: fua });
  assert.equal((await client.simpleReply()).error, 0);
});

test('errors of the disk reach the client by kind, with their sentence', async (context) => {
  const disk = new BlockDisk(MiB);
  const client = await connected(context, disk, { structured: true });
  for (const [thrown, error] of [
    [new CheckpointError('ImageDamaged', 'BAT entry 7 points nowhere.'), EIO],
    [new CheckpointError('NotEnoughSpace', 'The volume is full.'), ENOSPC],
    [Object.assign(new Error('full'), { code: 'ENOSPC' }), ENOSPC],
    [new CheckpointError('PermissionDenied', 'Not yours.'), EPERM],
    [new Error('x'.repeat(100_000)), EIO],
  ] as const) {
    disk.failure = thrown;
    client.request(read, 0, 512);
    const [chunk] = await client.chunks();
    assert.equal(chunk?.payload.readUInt32BE(0), error);
    assert.equal(chunk.payload.toString('utf8', 6), thrown.message.slice(0, 1024));
    client.request(read, 0, MiB, { flags: 0 });
    assert.ok(
      (await client.chunks()).some(({ type }) => type === 2),
      'a hole needs no read',
    );
    client.request(write, 0, 512, { data: Buffer.alloc(512, 1) });
    assert.equal(await errorOf(client), error);
  }
});

test('an error in the middle of a long READ → error chunk last, or, in a simple reply, the connection ends', async (context) => {
  const disk = new BlockDisk(4 * MiB);
  await disk.write(taggedContent(0, 4 * MiB, 1), 0);
  let left = 0;
  disk.gate = async () => {
    disk.failure = --left < 0 ? new Error('The cable fell out.') : undefined;
  };
  left = 5;
  const client = await connected(context, disk, { structured: true });
  client.request(read, 0, 4 * MiB);
  const chunks = await client.chunks();
  assert.equal(chunks.at(-1)?.type, 0x8001);
  assert.ok(chunks.slice(0, -1).every(({ type }) => type === 1));
  const simple = await connected(context, disk);
  left = 5;
  simple.request(read, 0, 4 * MiB);
  assert.ok((await simple.end()).length < 4 * MiB, 'the server hung up');
  left = 0;
  const atOnce = await connected(context, disk);
  atOnce.request(read, 0, 4 * MiB);
  assert.equal((await atOnce.simpleReply()).error, EIO);
});

test('WRITE beyond 32 MiB or without the magic → dropped; READ beyond → EINVAL', async (context) => {
  const disk = new BlockDisk(64 * MiB);
  const client = await connected(context, disk, { structured: true });
  client.request(read, 0, 32 * MiB + 1);
  assert.equal(await errorOf(client), EINVAL);
  client.request(write, 0, 32 * MiB + 1);
  assert.equal((await client.end()).length, 0);
  const confused = await connected(context, disk);
  confused.send(Buffer.alloc(28, 0x25));
  assert.equal((await confused.end()).length, 0);
});

test('DISC → what was asked before is answered, then the connection ends', async (context) => {
  const disk = new BlockDisk(MiB);
  const client = await connected(context, disk);
  for (let count = 0; count < 10; count++) {
    client.request(write, count * 512, 512, { cookie: count, data: Buffer.alloc(512, count + 1) });
  }
  client.request(disconnect, 0, 0);
  assert.equal((await client.end()).length, 10 * 16);
  const content = Buffer.alloc(5120);
  await disk.read(content, 0);
  assert.ok([...Array(10).keys()].every((count) => content[count * 512 + 511] === count + 1));
});

for (const [length, flags] of [
  [8 * MiB, 0],
  [256 * 1024, df],
  [32 * 1024, 0],
] as const) {
  test(`a client that reads nothing: its READs of ${length} stop at the limits, and other clients go on`, async (context) => {
    const disk = new BlockDisk(256 * MiB);
    await disk.write(Buffer.alloc(8 * MiB, 1), 0);
    const server = await serve(context, [disk]);
    const greedy = await NbdClient.connect(server.socketPath);
    await greedy.go({ structured: true });
    greedy.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 1000; count++) {
      greedy.request(read, 0, length, { flags });
    }
    const polite = await NbdClient.connect(server.socketPath);
    await polite.go();
    for (let count = 0; count < 200; count++) {
      polite.request(read, count * 4096, 4096);
      assert.equal((await polite.simpleReply(4096)).data.length, 4096);
    }
    const held = process.memoryUsage().arrayBuffers - before;
    // Far below the thousand answers that were asked for; the collector may still hold some that were sent.
    assert.ok(held < 24 * MiB, `${held} bytes held`);
    greedy.socket.destroy();
  });
}

test('a long simple reply is not torn apart by others that are ready before it', async (context) => {
  const disk = new BlockDisk(8 * MiB);
  const content = taggedContent(0, 8 * MiB, 1);
  await disk.write(content, 0);
  const client = await connected(context, disk);
  for (const [cookie, offset, length] of [
    [1, 0, 4 * MiB],
    [2, 512, 4096],
    [3, 4 * MiB, 3 * MiB],
    [4, MiB, 512],
  ] as const) {
    client.request(read, offset, length, { cookie });
  }
  client.request(write, 0, 512, { cookie: 5, data: content.subarray(0, 512) });
  const expected = new Map<number, Buffer>([
    [1, content.subarray(0, 4 * MiB)],
    [2, content.subarray(512, 4608)],
    [3, content.subarray(4 * MiB, 7 * MiB)],
    [4, content.subarray(MiB, MiB + 512)],
    [5, Buffer.alloc(0)],
  ]);
  while (expected.size > 0) {
    const { error, cookie } = await client.simpleReply();
    const data = expected.get(cookie);
    assert.ok(error === 0 && data !== undefined, `cookie ${cookie}`);
    assert.ok((await client.take(data.length)).equals(data), `cookie ${cookie}`);
    expected.delete(cookie);
  }
});

test('a flood of bad requests, the answers to which nobody reads → bounded', async (context) => {
  const client = await connected(context, new BlockDisk(MiB), { structured: true });
  client.socket.pause();
  const flood = Buffer.alloc(28 * 20_000);
  for (let at = 0; at < flood.length; at += 28) {
    Buffer.concat([u32(0x25609513), u32(99)]).copy(flood, at);
  }
  client.send(flood);
  const before = process.memoryUsage().arrayBuffers;
  for (let turn = 0; turn < 2000; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * MiB);
  assert.ok(client.socket.writableLength > 0, 'the server takes no more than it can answer');
  client.socket.destroy();
});

test('a client that goes away in the middle of a write leaves nothing behind', async (context) => {
  const disk = new BlockDisk(4 * MiB);
  const server = await serve(context, [disk]);
  for (const sent of [0, 1, 27, 28, 100, 70_000, 300_000]) {
    const client = await NbdClient.connect(server.socketPath);
    await client.go();
    const request = Buffer.concat([u32(0x25609513), u32(write), Buffer.alloc(16), u32(MiB), Buffer.alloc(MiB, 1)]);
    await new Promise((resolve) => client.socket.write(request.subarray(0, sent), resolve));
    client.socket.destroy();
  }
  while (server.clientCount > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(disk.underWay, 0);
  const content = Buffer.alloc(MiB);
  await disk.read(content, 0);
  assert.ok(content.subarray(300_000).every((byte) => byte === 0));
});

test('garbage in any phase → no fault, no hang, and the server still serves', async (context) => {
  const random = seededRandom();
  const rounds = Number(process.env['CKPT_NBD_GARBAGE'] ?? 150);
  const disk = new BlockDisk(MiB);
  const server = await serve(context, [disk]);
  for (let round = 0; round < rounds; round++) {
    const client = await NbdClient.connect(server.socketPath);
    const structured = random() < 0.5;
    await [
      async () => undefined,
      async () => client.greet(),
      async () => client.go({ structured, contexts: ['base:allocation'] }),
    ][Math.floor(random() * 3)]?.();
    for (let count = Math.floor(random() * 8); count > 0; count--) {
      const type = Math.floor(random() * 9);
      const length = Math.floor(2 ** (random() * 22));
      const data = type === write ? Buffer.alloc(length, 7) : Buffer.alloc(0);
      client.request(type, Math.floor(random() * MiB), length, { flags: Math.floor(random() * 32), data });
    }
    const noise = Buffer.from(Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)));
    client.send(random() < 0.3 ? Buffer.concat([Buffer.from('IHAVEOPT'), noise]) : noise);
    client.socket.end();
    await client.end();
  }
  const client = await NbdClient.connect(server.socketPath);
  await client.go();
  client.request(read, 0, 512);
  assert.equal((await client.simpleReply(512)).data.length, 512);
});
