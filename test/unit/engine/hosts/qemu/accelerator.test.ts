import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { bootsWith, cpuModel, workingAccelerator } from '../../../../../engine/hosts/qemu/accelerator.ts';
import { findQemu } from '../../../../../engine/hosts/qemu/installation.ts';
import { folderOf } from '../../temporary-folder.ts';

const notHere =
  (process.platform !== 'linux' || process.arch !== 'x64') && 'the native accelerator is probed for Linux on x86-64';

test('tcg boots the probe', async () => {
  assert.ok(await bootsWith(await findQemu(), 'tcg'));
});

test('an emulator that is not there, or that ends with success without booting → does not work', async () => {
  const qemu = await findQemu();
  assert.ok(!(await bootsWith({ ...qemu, emulator: '/nowhere/qemu-system-x86_64' }, 'tcg')));
  assert.ok(!(await bootsWith({ ...qemu, emulator: '/bin/true' }, 'tcg')));
});

test('an emulator that hangs → does not work, after the limit', { timeout: 30_000 }, async (context) => {
  const emulator = path.join(await folderOf(context), 'emulator');
  await writeFile(emulator, '#!/bin/sh\nexec sleep 600\n');
  await chmod(emulator, 0o700);
  assert.ok(!(await bootsWith({ ...(await findQemu()), emulator }, 'tcg')));
});

test('cancelled → the abort, not a result', async () => {
  const cancel = new AbortController();
  const probe = bootsWith(await findQemu(), 'tcg', cancel.signal);
  cancel.abort();
  await assert.rejects(probe, { name: 'AbortError' });
});

test('what a probe found → remembered, and not probed again', { skip: notHere, timeout: 60_000 }, async (context) => {
  const probes = path.join(await folderOf(context), 'probes.json');
  const qemu = await findQemu();
  const found = await workingAccelerator(qemu, probes);
  const remembered = z.record(z.string(), z.string()).parse(JSON.parse(await readFile(probes, 'utf8')));
  assert.deepEqual(Object.values(remembered), [found]);
  // Another answer in its memory shows that it is asked.
  const other = found === 'kvm' ? 'tcg' : 'kvm';
  await writeFile(probes, JSON.stringify(Object.fromEntries(Object.keys(remembered).map((key) => [key, other]))));
  assert.equal(await workingAccelerator(qemu, probes), other);
});

test(
  'a memory that cannot be believed → probed, and written anew',
  { skip: notHere, timeout: 60_000 },
  async (context) => {
    const folder = await folderOf(context);
    const emulator = path.join(folder, 'emulator');
    // An emulator that boots nothing is enough: tcg is what is left.
    await writeFile(emulator, '#!/bin/sh\nexit 0\n');
    await chmod(emulator, 0o700);
    const probes = path.join(folder, 'probes.json');
    for (const content of ['', '{', '{"x":"warp"}', '[]']) {
      await writeFile(probes, content);
      assert.equal(await workingAccelerator({ ...(await findQemu()), emulator }, probes), 'tcg');
      assert.match(await readFile(probes, 'utf8'), /"tcg"/);
    }
  },
);

test('the fullest CPU of each accelerator', () => {
  assert.deepEqual(
    [cpuModel('kvm'), cpuModel('hvf'), cpuModel('whpx'), cpuModel('tcg')],
    ['host', 'host', 'max', 'max'],
  );
});
