import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { shutDownByAgent } from '../../../../../engine/hosts/qemu/guest-agent.ts';
import { folderOf } from '../../temporary-folder.ts';
import { peer } from './peer.ts';

const limitMs = 400;
const request = z.object({ execute: z.string(), arguments: z.record(z.string(), z.unknown()) });

/** Calls back with the number of each guest-sync. */
function onSync(client: net.Socket, answer: (token: number) => void): void {
  client.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString('latin1').replaceAll('\u00ff', '').split('\n')) {
      const parsed = line === '' ? undefined : request.parse(JSON.parse(line));
      if (parsed?.execute === 'guest-sync') {
        answer(Number(parsed.arguments['id']));
      }
    }
  });
}

test('an agent → is resynchronised with a byte 0xFF first, then told to power down', async (context) => {
  const received: Buffer[] = [];
  let closed: Promise<unknown> = Promise.resolve();
  const socket = await peer(context, (client) => {
    closed = once(client, 'close');
    client.on('data', (chunk: Buffer) => received.push(chunk));
    onSync(client, (token) => client.write(`{"return":${token}}\n`));
  });
  assert.ok(await shutDownByAgent(socket, limitMs));
  await closed;
  const [sync = Buffer.alloc(0)] = received;
  assert.equal(sync[0], 0xff);
  assert.match(
    Buffer.concat(received).toString('latin1'),
    /\{"execute":"guest-shutdown","arguments":\{"mode":"powerdown"\}\}\n$/,
  );
});

test('an agent that an earlier client left in the middle of an answer → its rest is passed over', async (context) => {
  const socket = await peer(context, (client) => {
    client.write('…rest of an answer"}\n{"return":1}\n{"error":{"class":"GenericError","desc":"Invalid JSON"}}\n');
    onSync(client, (token) => client.write(Buffer.from(`\u00ff{"return":${token}}\n`, 'latin1')));
  });
  assert.ok(await shutDownByAgent(socket, limitMs));
});

const hostile: [what: string, behave: (client: net.Socket) => void][] = [
  ['is silent', () => undefined],
  ['hangs up', (client) => client.destroy()],
  ['answers with another number', (client) => onSync(client, (token) => client.write(`{"return":${token + 1}}\n`))],
  ['answers with the number as a text', (client) => onSync(client, (token) => client.write(`{"return":"${token}"}\n`))],
  ['answers with the number elsewhere', (client) => onSync(client, (token) => client.write(`{"id":${token}}\n`))],
  ['refuses', (client) => onSync(client, () => client.write('{"error":{"class":"CommandNotFound","desc":""}}\n'))],
  ['repeats all that it hears', (client) => client.pipe(client)],
  ['sends a line without an end', (client) => client.write(Buffer.alloc(4 * 1024 * 1024, 0x7b))],
  ['sends a million lines', (client) => client.write('{}\n'.repeat(1_000_000))],
  ['sends zeros', (client) => client.write(Buffer.alloc(100_000))],
];
for (const [what, behave] of hostile) {
  test(`a guest that ${what} → no agent, within the limit`, { timeout: 10_000 }, async (context) => {
    const started = performance.now();
    assert.equal(await shutDownByAgent(await peer(context, behave), limitMs), false);
    assert.ok(performance.now() - started < limitMs + 3000);
  });
}

test('no socket → no agent', async (context) => {
  assert.equal(await shutDownByAgent(path.join(await folderOf(context), 'none.sock'), limitMs), false);
});
