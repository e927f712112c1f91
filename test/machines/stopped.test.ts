import assert from 'node:assert/strict';
import { chmod, copyFile, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import type { Refusal } from '../support/ckpt.ts';
import { withDiskContent } from '../support/disk-content.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';

describe('a stopped machine', () => {
  const name = 'lab';
  const home = homeOfSuite(name, 'stopped');

  /** Starts the machine, runs a command in the guest, and shuts it down. */
  const session = async (command: string): Promise<void> => {
    await home.ckpt.run('start', ['start', name]);
    await inGuest(home.folder, name, (shell) => shell.run(command));
    await home.ckpt.run('stop', ['stop', name]);
  };
  const readMarker = async (): Promise<string> => {
    const { machine } = await home.ckpt.run('show', ['show', name]);
    return withDiskContent(machine.disks[0]?.activeLayer ?? '', async (disk) => {
      await disk.check();
      return disk.read('/root/marker');
    });
  };

  it('take → start, destroy, stop → revert → the disk is as it was, its file system clean; undo → as it was left', async () => {
    await session('echo precious > /root/marker');
    const { checkpoint, machine } = await home.ckpt.run('take', ['take', name, 'good']);
    assert.equal(checkpoint.hasMemory, false);
    assert.equal(checkpoint.consistency, 'offline');
    assert.equal(checkpoint.pauseMs, undefined);
    assert.equal(machine.now.parent, checkpoint.id);
    await session('rm -r /srv/project && echo broken > /root/marker');
    assert.equal(await readMarker(), 'broken');

    const reverted = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(reverted.machine.state, 'stopped');
    assert.equal(await readMarker(), 'precious');
    await home.ckpt.run('undo', ['undo', name]);
    assert.equal(await readMarker(), 'broken');
    await home.ckpt.run('redo', ['redo', name]);
    assert.equal(await readMarker(), 'precious');
  });

  it('memory cannot be asked of a stopped machine', async () => {
    await assert.rejects(
      home.ckpt.run('take', ['take', name, '--memory']),
      (error: Refusal) => error.error.code === 'MachineNotRunning',
    );
  });

  it('rename → the new name is found, the old one is not; what was kept stops expiring', async () => {
    await home.ckpt.run('rename', ['rename', name, 'good', 'better']);
    await assert.rejects(
      home.ckpt.run('apply', ['apply', name, 'good']),
      (error: Refusal) => error.error.code === 'CheckpointNotFound',
    );
    const { machine } = await home.ckpt.run('show', ['show', name]);
    const kept = machine.checkpoints.find((checkpoint) => checkpoint.expires !== undefined);
    assert.ok(kept);
    const renamed = await home.ckpt.run('rename', ['rename', name, kept.id, 'worth keeping']);
    assert.equal(renamed.checkpoint.expires, undefined);
    assert.equal((await home.ckpt.run('delete', ['delete', name, 'worth keeping'])).deleted.id, kept.id);
  });

  it('a frozen layer is read-only, and nothing lies about that no checkpoint needs', async () => {
    const { machine } = await home.ckpt.run('take', ['take', name, 'frozen']);
    const { checkpoints } = await new MachineFolder(machine.folder).read();
    const frozen = checkpoints.find((checkpoint) => checkpoint.id === machine.now.parent);
    const layer = path.join(machine.folder, frozen?.layers['disk0'] ?? '');
    assert.equal((await stat(layer)).mode & 0o222, 0);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
  });

  it('a disk that was added is never written, and refused once somebody else has changed it', async () => {
    const original = path.join(home.folder, 'my own, disk.qcow2');
    await copyFile(path.join(home.folder, 'images/playground/disk.qcow2'), original);
    const before = await readFile(original);
    await home.ckpt.run('addMachine', ['add', 'added', '--disk', original, '--memory', '256']);
    await home.ckpt.run('take', ['take', 'added', 'first']);
    await home.ckpt.run('start', ['start', 'added']);
    await home.ckpt.run('stop', ['stop', 'added', '--force']);
    assert.deepEqual(await readFile(original), before);

    await chmod(original, 0o600);
    await copyFile(path.join(home.folder, 'images/playground/disk.qcow2'), original);
    await assert.rejects(home.ckpt.run('start', ['start', 'added']), (error: Refusal) => {
      assert.equal(error.error.code, 'ParentMismatch');
      assert.match(error.message, /was changed after it was added/);
      return true;
    });
  });

  it('remove-machine is refused while it runs, and then leaves nothing', async () => {
    await home.ckpt.run('start', ['start', name]);
    await assert.rejects(
      home.ckpt.run('removeMachine', ['remove-machine', name]),
      (error: Refusal) => error.error.code === 'MachineRunning',
    );
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await home.ckpt.run('removeMachine', ['remove-machine', name]);
    await assert.rejects(stat(home.machineFolder(name)), { code: 'ENOENT' });
  });
});
