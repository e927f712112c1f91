import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openDiskFile } from '../../../../engine/disks/disk-file.ts';
import { hasImageLocks } from '../../../../engine/disks/image-lock.ts';
import { openChain, openLayer } from '../../../../engine/disks/open-chain.ts';
import { compact } from '../../../../engine/disks/operations/compact.ts';
import { merge } from '../../../../engine/disks/operations/merge.ts';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const skip = !hasImageLocks && 'this system has no such locks, or the package that calls them does not load';

/** A machine of QEMU's that stands still, with the image as its disk; ends with the test. */
async function runQemu(context: TestContext, image: string): Promise<void> {
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-S', '-nodefaults', '-display', 'none', '-machine', 'pc', '-accel', 'tcg', '-qmp', 'stdio'],
      ...['-blockdev', `driver=qcow2,node-name=disk,file.driver=file,file.filename=${image}`],
      ...['-device', 'virtio-blk-pci,drive=disk'],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  context.after(async () => {
    qemu.kill('SIGKILL');
    await once(qemu, 'close');
  });
  // Its greeting: the disks are open.
  const first = await Promise.race([once(qemu.stdout, 'data'), once(qemu, 'exit')]);
  assert.match(String(first[0]), /QMP/);
}

async function chainOfTwo(folder: string): Promise<{ base: string; overlay: string }> {
  const base = path.join(folder, 'base.qcow2');
  const overlay = path.join(folder, 'overlay.qcow2');
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', base, '16M']);
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', overlay]);
  return { base, overlay };
}

test(
  'a disk of a running machine: not opened for writing, nor its parent; reading is free',
  { skip },
  async (context) => {
    const { base, overlay } = await chainOfTwo(await folderOf(context));
    await runQemu(context, overlay);
    const before = await Promise.all([base, overlay].map((file) => readFile(file)));
    for (const file of [base, overlay]) {
      await assert.rejects(openLayer(file, 'write'), { code: 'DiskInUse' });
      await assert.rejects(compact(file, {}), { code: 'DiskInUse' });
    }
    for (const into of ['ancestor', 'child'] as const) {
      await assert.rejects(merge(overlay, { into }), { code: 'DiskInUse' });
    }
    await (await openChain(overlay)).close();
    assert.deepEqual(await Promise.all([base, overlay].map((file) => readFile(file))), before);
  },
);

test('a disk that is written here: QEMU does not open it until it is closed', { skip }, async (context) => {
  const { base, overlay } = await chainOfTwo(await folderOf(context));
  const layer = await openLayer(overlay, 'write');
  await assert.rejects(runProgram('qemu-img', ['info', overlay]), /Failed to get shared "write" lock/);
  await assert.rejects(runProgram('qemu-io', ['-c', 'write 0 64k', overlay]), /lock/);
  await layer.close();
  await runProgram('qemu-io', ['-c', 'write 0 64k', overlay]);
  const parent = await openLayer(base, 'write');
  await assert.rejects(runProgram('qemu-io', ['-c', 'read 0 64k', overlay]), /lock/);
  await parent.close();
  await runProgram('qemu-io', ['-c', 'read 0 64k', overlay]);
});

test('one writer at a time, and any number of readers', { skip }, async (context) => {
  const file = path.join(await folderOf(context), 'disk');
  const writer = await openDiskFile(file, 'create');
  await assert.rejects(openDiskFile(file, 'write'), { code: 'DiskInUse' });
  const readers = await Promise.all([openDiskFile(file, 'read'), openDiskFile(file, 'read')]);
  await writer.close();
  const next = await openDiskFile(file, 'write');
  await Promise.all([...readers, next].map((each) => each.close()));
});
