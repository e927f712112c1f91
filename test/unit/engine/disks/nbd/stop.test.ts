import assert from 'node:assert/strict';
import { chmod, link, mkdir, mkdtemp, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startNbdServer, type NbdServer } from '../../../../../engine/disks/nbd/server.ts';
import { BlockDisk } from './block-disk.ts';
import { NbdClient } from './client.ts';
import { serve } from './serving.ts';

const MiB = 1 << 20;

async function folderOf(context: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ckpt-nbd-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function start(socketPath: string): Promise<NbdServer> {
  return startNbdServer({ chain: [new BlockDisk(MiB)], isReadOnly: true, socketPath });
}

test('stop → writes under way are answered, all is flushed once, the socket is gone, and a second stop does nothing', async (context) => {
  const disk = new BlockDisk(MiB);
  const server = await serve(context, [disk]);
  const client = await NbdClient.connect(server.socketPath);
  await client.go();
  const idle = await NbdClient.connect(server.socketPath);
  await idle.go();
  const negotiating = await NbdClient.connect(server.socketPath);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const entered = new Promise<void>((resolve) => {
    disk.gate = async () => {
      resolve();
      await held;
    };
  });
  client.request(1, 0, 512, { data: Buffer.alloc(512, 7) });
  await entered;
  const stopping = server.stop();
  assert.equal((await idle.end()).length, 0);
  assert.equal((await negotiating.end()).length, 18, 'the greeting');
  release();
  assert.equal((await client.simpleReply()).error, 0);
  assert.equal((await client.end()).length, 0);
  await stopping;
  await server.stop();
  assert.equal(disk.calls.flush, 1);
  assert.equal(disk.underWay, 0);
  await assert.rejects(stat(server.socketPath), { code: 'ENOENT' });
});

test('stop in the middle of a write’s data → an error, not success, for that write', async (context) => {
  const server = await serve(context, [new BlockDisk(MiB)]);
  const client = await NbdClient.connect(server.socketPath);
  await client.go();
  client.request(0, 0, 512);
  client.request(1, 0, MiB, { data: Buffer.alloc(1000, 7) });
  await client.simpleReply(512);
  await server.stop();
  assert.equal((await client.simpleReply()).error, 108);
});

test('a failing flush at stop → stop throws it, with everything closed', async (context) => {
  const folder = await folderOf(context);
  const disk = new BlockDisk(MiB);
  disk.flush = () => Promise.reject(new Error('The volume is gone.'));
  const server = await startNbdServer({ chain: [disk], isReadOnly: false, socketPath: path.join(folder, 's') });
  await assert.rejects(server.stop(), { message: 'The volume is gone.' });
  await assert.rejects(stat(server.socketPath), { code: 'ENOENT' });
});

test('the socket is 0600 in a folder that is made 0700', async (context) => {
  const folder = path.join(await folderOf(context), 'new');
  const server = await start(path.join(folder, 'disk.sock'));
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.equal((await stat(server.socketPath)).mode & 0o777, 0o600);
  await server.stop();
});

test('a folder that others can enter → PermissionDenied', async (context) => {
  const folder = path.join(await folderOf(context), 'open');
  await mkdir(folder);
  for (const mode of [0o755, 0o750, 0o701]) {
    await chmod(folder, mode);
    await assert.rejects(start(path.join(folder, 'disk.sock')), { code: 'PermissionDenied' });
  }
});

test('a path that is too long, relative or another file → InvalidArgument, and that file stays', async (context) => {
  const folder = await folderOf(context);
  await assert.rejects(start(path.join(folder, 'x'.repeat(100))), { code: 'InvalidArgument' });
  await assert.rejects(start('disk.sock'), { code: 'InvalidArgument' });
  const file = path.join(folder, 'disk.sock');
  await writeFile(file, 'mine');
  await assert.rejects(start(file), { code: 'InvalidArgument' });
  assert.equal((await stat(file)).size, 4);
});

test('a server that answers → DiskInUse; one that is gone → its socket is replaced', async (context) => {
  const folder = await folderOf(context);
  const socketPath = path.join(folder, 'disk.sock');
  const first = await start(socketPath);
  await assert.rejects(start(socketPath), { code: 'DiskInUse' });
  await first.stop();
  await leaveDeadSocket(folder, socketPath);
  const second = await start(socketPath);
  await second.stop();
});

/** As a server that was killed leaves it: a bound socket that nobody listens on. */
async function leaveDeadSocket(folder: string, socketPath: string): Promise<void> {
  const other = path.join(folder, 'other.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(other, resolve));
  await link(other, socketPath);
  await new Promise((resolve) => server.close(resolve));
  await unlink(other).catch(() => undefined);
}
