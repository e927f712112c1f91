import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { nbdLimits } from '../../../../../engine/disks/nbd/limits.ts';
import { BlockDisk } from './block-disk.ts';
import { counted, NbdClient, u16, u32 } from './client.ts';
import { serve } from './serving.ts';

const sizeBytes = 1 << 20;
const unsupported = 0x80000001;
const invalid = 0x80000003;
const unknown = 0x80000006;
const tooBig = 0x80000009;

async function greeted(context: TestContext, options: Parameters<typeof serve>[2] = {}): Promise<NbdClient> {
  const server = await serve(context, [new BlockDisk(sizeBytes)], options);
  const client = await NbdClient.connect(server.socketPath);
  await client.greet();
  return client;
}

test('the greeting is fixed newstyle with NO_ZEROES', async (context) => {
  const server = await serve(context, [new BlockDisk(sizeBytes)]);
  const client = await NbdClient.connect(server.socketPath);
  assert.equal((await client.take(18)).toString('latin1'), 'NBDMAGICIHAVEOPT\0\x03');
});

test('client flags that nobody offered → dropped', async (context) => {
  const server = await serve(context, [new BlockDisk(sizeBytes)]);
  const client = await NbdClient.connect(server.socketPath);
  await client.greet(4);
  assert.equal((await client.end()).length, 0);
});

test('LIST names the export', async (context) => {
  const client = await greeted(context, { exportName: 'sda', description: 'the first disk' });
  assert.deepEqual(await client.option(3), [
    { type: 2, data: Buffer.concat([counted('sda'), Buffer.from('the first disk')]) },
    { type: 1, data: Buffer.alloc(0) },
  ]);
});

test('INFO gives size, flags, name, description and block sizes', async (context) => {
  const client = await greeted(context, { exportName: 'sda', description: 'the first disk' });
  const replies = await client.option(6, Buffer.concat([counted(''), u16(4), u16(0), u16(1), u16(2), u16(3)]));
  assert.deepEqual(
    replies.map(({ type }) => type),
    [3, 3, 3, 3, 1],
  );
  const [size, name, description, blocks] = replies.map(({ data }) => data);
  assert.equal(size?.readBigUInt64BE(2), BigInt(sizeBytes));
  // HAS_FLAGS, FLUSH, FUA, TRIM, WRITE_ZEROES, MULTI_CONN, CACHE, FAST_ZERO; no DF before structured replies.
  assert.equal(size.readUInt16BE(10), 0b1101_0110_1101);
  assert.equal(name?.toString('utf8', 2), 'sda');
  assert.equal(description?.toString('utf8', 2), 'the first disk');
  assert.deepEqual(blocks, Buffer.concat([u16(3), u32(1), u32(4096), u32(32 << 20)]));
});

test('a read-only export says so, and offers nothing that writes', async (context) => {
  const client = await greeted(context, { isReadOnly: true });
  await client.option(8);
  const [info] = await client.option(6, Buffer.concat([counted(''), u16(0)]));
  // HAS_FLAGS, READ_ONLY, FLUSH, FUA, DF, MULTI_CONN, CACHE.
  assert.equal(info?.data.readUInt16BE(10), 0b101_1000_1111);
});

test('another name → ERR_UNKNOWN, and the negotiation goes on', async (context) => {
  const client = await greeted(context, { exportName: 'sda' });
  assert.equal((await client.option(7, Buffer.concat([counted('sdb'), u16(0)]))).at(-1)?.type, unknown);
  assert.equal((await client.option(7, Buffer.concat([counted('sda'), u16(0)]))).at(-1)?.type, 1);
  client.request(0, 0, 512);
  assert.equal((await client.simpleReply(512)).error, 0);
});

test('EXPORT_NAME enters transmission, with 124 zeroes for a client that did not refuse them', async (context) => {
  const server = await serve(context, [new BlockDisk(sizeBytes)]);
  for (const [flags, zeroes] of [
    [3, 0],
    [1, 124],
  ] as const) {
    const client = await NbdClient.connect(server.socketPath);
    await client.greet(flags);
    client.send(Buffer.from('IHAVEOPT'), u32(1), u32(0));
    const reply = await client.take(10 + zeroes);
    assert.equal(reply.readBigUInt64BE(0), BigInt(sizeBytes));
    client.request(0, 0, 512);
    assert.equal((await client.simpleReply(512)).data.length, 512);
    client.socket.destroy();
  }
});

test('EXPORT_NAME of another name → dropped, since it has no error reply', async (context) => {
  const client = await greeted(context);
  client.send(Buffer.from('IHAVEOPT'), u32(1), counted('sdb'));
  assert.equal((await client.end()).length, 0);
});

test('metadata contexts need structured replies, are listed by namespace, and chosen by name', async (context) => {
  const client = await greeted(context);
  const ask = (...queries: string[]): Buffer =>
    Buffer.concat([counted(''), u32(queries.length), ...queries.map(counted)]);
  assert.equal((await client.option(10, ask('base:allocation'))).at(-1)?.type, invalid);
  await client.option(8);
  const names = async (option: number, ...queries: string[]): Promise<string[]> =>
    (await client.option(option, ask(...queries)))
      .filter(({ type }) => type === 4)
      .map(({ data }) => data.toString('utf8', 4));
  assert.deepEqual(await names(9), ['base:allocation', 'qemu:allocation-depth']);
  assert.deepEqual(await names(9, 'base:'), ['base:allocation']);
  assert.deepEqual(await names(10, 'base:'), []);
  assert.deepEqual(await names(10, 'x-other:thing', 'base:allocation'), ['base:allocation']);
  assert.deepEqual(await names(10), []);
});

test('unknown options, TLS and lengths that do not fit → an error each, and the negotiation goes on', async (context) => {
  const client = await greeted(context);
  const code = async (option: number, data?: Buffer): Promise<number | undefined> =>
    (await client.option(option, data)).at(-1)?.type;
  assert.equal(await code(99, Buffer.alloc(1000)), unsupported);
  assert.equal(await code(5), 0x80000002);
  assert.equal(await code(8, Buffer.alloc(1)), invalid);
  assert.equal(await code(3, Buffer.alloc(1)), invalid);
  assert.equal(await code(7, Buffer.alloc(0)), invalid);
  assert.equal(await code(7, Buffer.concat([u32(0xffffffff), u16(0)])), invalid);
  assert.equal(await code(7, Buffer.concat([counted(''), u16(2), u16(0)])), invalid);
  assert.equal(await code(6, Buffer.concat([counted(''), u16(0), u16(0)])), invalid);
  await client.option(8);
  assert.equal(await code(10, Buffer.concat([counted(''), u32(0xffffffff)])), invalid);
  assert.equal(await code(9, Buffer.concat([counted('sdb'), u32(0)])), unknown);
  assert.equal(await code(7, Buffer.alloc(nbdLimits.optionBytes + 1)), tooBig);
  assert.equal(await code(7, Buffer.concat([counted(''), u16(0)])), 1);
});

test('ABORT is acknowledged, and ends the connection', async (context) => {
  const client = await greeted(context);
  assert.equal((await client.option(2))[0]?.type, 1);
  assert.equal((await client.end()).length, 0);
});

test('too many options, or one without end → dropped', async (context) => {
  const patient = await greeted(context);
  let answered = 0;
  while ((await patient.option(99)).length > 0) {
    answered++;
  }
  assert.equal(answered, nbdLimits.options);
  const endless = await greeted(context);
  endless.send(Buffer.from('IHAVEOPT'), u32(7), u32(0xffffffff));
  assert.equal((await endless.end()).length, 0);
});

test('a client that says nothing is dropped after the time limit', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const client = await greeted(context);
  context.mock.timers.tick(nbdLimits.handshakeMs);
  assert.equal((await client.end()).length, 0);
});

test('more clients than the limit → the rest are dropped, and a place that comes free is given again', async (context) => {
  const server = await serve(context, [new BlockDisk(sizeBytes)]);
  const clients = [];
  for (let count = 0; count < nbdLimits.clients; count++) {
    const client = await NbdClient.connect(server.socketPath);
    await client.go();
    clients.push(client);
  }
  const late = await NbdClient.connect(server.socketPath);
  assert.equal((await late.end()).length, 0);
  clients[0]?.request(2, 0, 0);
  await clients[0]?.end();
  while (server.clientCount === nbdLimits.clients) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const next = await NbdClient.connect(server.socketPath);
  await next.go();
});
