import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { QmpConnection, type QmpEvent } from '../../../../../engine/hosts/qemu/qmp.ts';
import { folderOf } from '../../temporary-folder.ts';
import { peer } from './peer.ts';
import { connected, realQemu } from './real-qemu.ts';

const status = z.object({ status: z.string(), running: z.boolean() });

test('a question → its answer', async (context) => {
  const connection = await connected(context, await realQemu(context));
  assert.deepEqual(await connection.query('query-status', status), { status: 'prelaunch', running: false });
});

test('many questions at once → each its own answer', async (context) => {
  const connection = await connected(context, await realQemu(context));
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      index % 2 === 0 ? connection.execute('query-status') : connection.execute('query-name'),
    ),
  );
  answers.forEach((answer, index) => {
    assert.equal(status.safeParse(answer).success, index % 2 === 0);
  });
});

test('a command that QEMU refuses → QemuFailed, with its words; the connection lives on', async (context) => {
  const connection = await connected(context, await realQemu(context));
  await assert.rejects(connection.execute('no-such-command'), {
    name: 'CheckpointError',
    code: 'QemuFailed',
    message: /no-such-command/,
  });
  await connection.execute('query-status');
});

test('an answer that is not as expected → QemuFailed', async (context) => {
  const connection = await connected(context, await realQemu(context));
  await assert.rejects(connection.query('query-status', z.array(z.string())), { code: 'QemuFailed' });
});

test('an event → told to who listens, until he no longer does', async (context) => {
  const connection = await connected(context, await realQemu(context));
  const heard: string[] = [];
  const next = new Promise<QmpEvent>((resolve) => connection.onEvent(resolve));
  const stop = connection.onEvent(({ event }) => heard.push(event));
  await connection.execute('cont');
  assert.equal((await next).event, 'RESUME');
  stop();
  await connection.execute('stop');
  await connection.execute('query-status');
  assert.deepEqual(heard, ['RESUME']);
});

test('a QEMU that hangs (SIGSTOP) → QmpTimeout after the limit; its late answer is nobody else’s', async (context) => {
  const qemu = await realQemu(context);
  const connection = await connected(context, qemu);
  qemu.process.kill('SIGSTOP');
  await assert.rejects(connection.execute('query-name', {}, 200), {
    name: 'CheckpointError',
    code: 'QmpTimeout',
    data: { command: 'query-name', limitMs: 200 },
  });
  await assert.rejects(QmpConnection.connect(qemu.socket, 200), { code: 'QmpTimeout' });
  qemu.process.kill('SIGCONT');
  assert.equal((await connection.query('query-status', status)).status, 'prelaunch');
});

test('QEMU is killed in the middle of a call → QemuFailed at once, for that call and later ones', async (context) => {
  const qemu = await realQemu(context);
  const connection = await connected(context, qemu);
  qemu.process.kill('SIGSTOP');
  const call = connection.execute('query-status', {}, 60_000);
  const started = performance.now();
  qemu.process.kill('SIGKILL');
  await assert.rejects(call, { code: 'QemuFailed' });
  assert.ok(performance.now() - started < 5000);
  await assert.rejects(connection.execute('query-status'), { code: 'QemuFailed' });
  await qemu.exited;
});

test('nobody listens → QemuFailed, naming the socket', async (context) => {
  const socket = path.join(await folderOf(context), 'none.sock');
  await assert.rejects(QmpConnection.connect(socket), { code: 'QemuFailed', data: { path: socket } });
});

const hostile: [what: string, words: (string | Buffer)[], code: string][] = [
  ['says nothing', [], 'QmpTimeout'],
  ['speaks another protocol', ['HTTP/1.1 200 OK\r\n\r\n'], 'QemuFailed'],
  ['sends JSON that is no message', ['{"hello":1}\n'], 'QemuFailed'],
  ['sends a list', ['[]\n'], 'QemuFailed'],
  ['sends null', ['null\n'], 'QemuFailed'],
  ['sends random bytes', [Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7) % 256))], 'QemuFailed'],
  ['sends a line without an end', [Buffer.alloc(20 * 1024 * 1024, 0x20)], 'QemuFailed'],
  ['answers what nobody asked', ['{"QMP":{}}\n{"return":{},"id":4711}\n{"return":{}}\n'], 'QmpTimeout'],
  ['answers with an id of another kind', ['{"QMP":{}}\n{"return":{},"id":"1"}\n'], 'QemuFailed'],
  [
    'sends nothing but events',
    ['{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}\n'.repeat(10_000)],
    'QmpTimeout',
  ],
];
for (const [what, words, code] of hostile) {
  test(`one in QEMU's place that ${what} → ${code}`, { timeout: 10_000 }, async (context) => {
    const socket = await peer(context, (client) => words.forEach((word) => client.write(word)));
    await assert.rejects(QmpConnection.connect(socket, 500), { name: 'CheckpointError', code });
  });
}

test("one in QEMU's place that hangs up → QemuFailed, at once", async (context) => {
  const socket = await peer(context, (client) => client.end());
  const started = performance.now();
  await assert.rejects(QmpConnection.connect(socket, 60_000), { code: 'QemuFailed' });
  assert.ok(performance.now() - started < 5000);
});

test('an answer that comes in pieces, with a letter cut in two → whole', async (context) => {
  const socket = await peer(context, (client) => {
    const ids = { answered: 0 };
    client.on('data', () => {
      ids.answered++;
      const line = Buffer.from(`{"return":{"name":"Größe 🙂"},"id":${ids.answered}}\r\n`);
      for (const byte of line) {
        client.write(Buffer.of(byte));
      }
    });
  });
  const connection = await QmpConnection.connect(socket);
  context.after(() => connection.close());
  assert.deepEqual(await connection.execute('query-name'), { name: 'Größe 🙂' });
});

test('closed by us → what waits is refused', async (context) => {
  const qemu = await realQemu(context);
  const connection = await connected(context, qemu);
  qemu.process.kill('SIGSTOP');
  const call = connection.execute('query-status');
  connection.close();
  await assert.rejects(call, { code: 'QemuFailed' });
});

/** One that answers every question, and tells of an event when it is told to. */
async function answering(context: TestContext): Promise<{ connection: QmpConnection; tell: () => void }> {
  const clients: Socket[] = [];
  const socket = await peer(context, (client) => {
    clients.push(client);
    let id = 0;
    client.on('data', (asked) => {
      for (const _ of asked.toString().trim().split('\n')) {
        client.write(`{"return":{},"id":${++id}}\n`);
      }
    });
  });
  const connection = await QmpConnection.connect(socket);
  context.after(() => connection.close());
  const event = '{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}\n';
  return { connection, tell: () => clients.forEach((client) => client.write(event)) };
}

test('waiting for something → asked again at each event, before the interval is over', async (context) => {
  const { connection, tell } = await answering(context);
  let asked = 0;
  const started = performance.now();
  const found = await connection.until(
    async () => {
      asked += 1;
      await connection.execute('query-status');
      tell();
      return asked === 3 ? 'it has come to pass' : undefined;
    },
    { everyMs: 3000 },
  );
  assert.equal(found, 'it has come to pass');
  assert.ok(performance.now() - started < 3000);
});

test('waiting without events → asked again after the interval; QmpTimeout after the limit; the reason of a signal', async (context) => {
  const { connection } = await answering(context);
  let asked = 0;
  const never = async (): Promise<undefined> => {
    asked += 1;
    await connection.execute('query-status');
  };
  await assert.rejects(connection.until(never, { everyMs: 5, limit: { ms: 100, what: 'It' } }), {
    code: 'QmpTimeout',
    message: /^It has not ended after 0\.1 s/,
  });
  assert.ok(asked > 2);
  const cancel = new AbortController();
  const waiting = connection.until(never, { everyMs: 5, signal: cancel.signal });
  cancel.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});
