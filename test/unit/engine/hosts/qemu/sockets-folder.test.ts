import assert from 'node:assert/strict';
import { access, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createSocketsFolder, removeSocketsFolder } from '../../../../../engine/hosts/qemu/sockets-folder.ts';
import { folderOf } from '../../temporary-folder.ts';

/** The folder for sockets that do not fit into the machine's, set for this test. */
async function withRuntimeFolder(context: TestContext): Promise<string> {
  const before = process.env['XDG_RUNTIME_DIR'];
  const folder = await folderOf(context);
  process.env['XDG_RUNTIME_DIR'] = folder;
  context.after(() => {
    if (before === undefined) {
      delete process.env['XDG_RUNTIME_DIR'];
    } else {
      process.env['XDG_RUNTIME_DIR'] = before;
    }
  });
  return folder;
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

test('a short path → inside the machine, private', async (context) => {
  const run = path.join(await folderOf(context), 'run');
  const { folder } = await createSocketsFolder(run);
  assert.equal(path.dirname(folder), run);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  await removeSocketsFolder(folder, run);
  assert.ok(!(await isThere(folder)));
});

test('a path that no socket can have, in any script → outside, private, and a socket can be made there', async (context) => {
  const runtime = await withRuntimeFolder(context);
  for (const name of ['n'.repeat(150), 'ä'.repeat(60)]) {
    const run = path.join(await folderOf(context), name, 'run');
    const { folder, monitor } = await createSocketsFolder(run);
    assert.ok(folder.startsWith(`${runtime}${path.sep}`));
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(path.dirname(folder))).mode & 0o777, 0o700);
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(monitor, resolve));
    await new Promise((resolve) => server.close(resolve));
    await removeSocketsFolder(folder, run);
    assert.ok(!(await isThere(folder)));
  }
});

test('somebody has prepared that place → PermissionDenied', async (context) => {
  const runtime = await withRuntimeFolder(context);
  const base = path.join(runtime, `vm-checkpoints-${process.getuid?.() ?? 0}`);
  const run = path.join(await folderOf(context), 'n'.repeat(150), 'run');
  const elsewhere = await folderOf(context);
  await symlink(elsewhere, base);
  await assert.rejects(createSocketsFolder(run), { code: 'PermissionDenied', data: { path: base } });
});

test('others may enter that place → PermissionDenied', async (context) => {
  const runtime = await withRuntimeFolder(context);
  await mkdir(path.join(runtime, `vm-checkpoints-${process.getuid?.() ?? 0}`), { mode: 0o755 });
  const run = path.join(await folderOf(context), 'n'.repeat(150), 'run');
  await assert.rejects(createSocketsFolder(run), { code: 'PermissionDenied' });
});

test('a record that names any other folder → nothing is removed', async (context) => {
  const home = await folderOf(context);
  const run = path.join(home, 'run');
  const others = ['documents', 'run', 'run/documents', 'run/0a1b2c3d/inner', 'other/0a1b2c3d'];
  for (const name of others) {
    await mkdir(path.join(home, name), { recursive: true });
    await writeFile(path.join(home, name, 'precious'), '');
  }
  for (const name of others) {
    await removeSocketsFolder(path.join(home, name), run);
    await removeSocketsFolder(`${run}/0a1b2c3d/../../${name}`, run);
    assert.ok(await isThere(path.join(home, name, 'precious')), name);
  }
});
