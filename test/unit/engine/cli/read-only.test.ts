import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Ckpt, type CkptRun, type runCkpt } from '../../../support/ckpt.ts';
import { engineFile } from '../../../support/project.ts';
import { makeImage } from '../disks/made-images.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { refused } from './refusals.ts';

// File modes do not hold the superuser back, so the folder is mounted read-only, in a mount namespace that ends with ckpt.
const mounting = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
const namespace = ['--mount', ...asRoot, 'sh', '-c', mounting];

const cannotMount =
  spawnSync('unshare', [...namespace, '/tmp', 'true']).status !== 0 &&
  'no folder can be mounted read-only here (unshare and mount are not allowed)';

/** `ckpt` for whom a folder is read-only. */
function runReadOnly(folder: string): typeof runCkpt {
  return (home, args) =>
    new Promise<CkptRun>((resolve, reject) => {
      const child = spawn('unshare', [...namespace, folder, process.execPath, engineFile, ...args], {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
}

describe('a folder that is read-only', { skip: cannotMount }, () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  const machine = path.join(home, 'machines', 'lab');
  let disk = '';
  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    const ckpt = new Ckpt(home);
    await ckpt.run('createMachine', ['create-machine', 'lab', '--disk', disk]);
    await ckpt.run('take', ['take', 'lab', 'one']);
  });

  for (const args of [
    ['start', 'lab'],
    ['take', 'lab'],
    ['apply', 'lab', 'one'],
    ['revert', 'lab'],
    ['delete', 'lab', 'one'],
    ['rename', 'lab', 'one', 'two'],
    ['remove-machine', 'lab'],
  ]) {
    it(`the machine's: ${args[0] ?? ''} → PermissionDenied, naming a file of it`, async () => {
      const error = await refused(home, args, 'PermissionDenied', { run: runReadOnly(machine) });
      assert.match(error.message, /machines\/lab/);
    });
  }

  it('the home: create-machine and add → PermissionDenied', async () => {
    for (const verb of ['create-machine', 'add']) {
      await refused(home, [verb, 'x', '--disk', disk], 'PermissionDenied', { run: runReadOnly(home) });
    }
  });

  it('the home: list and show → the machines as they are', async () => {
    for (const args of [['list'], ['show', 'lab']]) {
      const { code, stdout, stderr } = await runReadOnly(home)(home, args);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /lab {2}stopped/);
    }
  });
});
