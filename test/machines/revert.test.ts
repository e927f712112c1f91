import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { Refusal } from '../support/ckpt.ts';
import { GuestShell, inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';

const name = 'lab';

describe('a running machine', () => {
  const home = homeOfSuite(name, 'started');

  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(home.folder, name, use);
  const machine = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;

  it('take → destroy files, write others → revert → the marker is there, the others are gone, the counter goes on', async () => {
    const counterAtTake = await guest(async (shell) => {
      await shell.run(
        'echo precious > /root/marker && sync && (cd /srv/project && sha256sum -c SHA256SUMS > /dev/null)',
      );
      return Number(await shell.run('cat /run/counter'));
    });
    const { checkpoint } = await home.ckpt.run('take', ['take', name, 'before experiment']);
    assert.equal(checkpoint.hasMemory, true);
    assert.ok(checkpoint.pauseMs !== undefined && checkpoint.pauseMs > 0);
    assert.ok(checkpoint.memoryMethod !== undefined && (checkpoint.totalMs ?? 0) >= checkpoint.pauseMs);

    const counterAfter = await guest(async (shell) => {
      await shell.run('rm -r /srv/project /root/marker && echo new > /root/other && sync');
      assert.equal(await shell.run('ls /root'), 'other');
      // Long enough that a counter which did not go back would be seen to be ahead.
      return Number(
        await shell.run(
          'while [ $(cat /run/counter) -lt ' +
            String(counterAtTake + 50) +
            ' ]; do usleep 100000; done; cat /run/counter',
        ),
      );
    });

    const reverted = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(reverted.machine.state, 'running');
    assert.equal(reverted.applied.id, checkpoint.id);
    assert.equal(reverted.machine.now.parent, checkpoint.id);
    await guest(async (shell) => {
      const counter = Number(await shell.run('cat /run/counter'));
      assert.ok(counter >= counterAtTake, `the counter went on from ${counterAtTake}, not from the start: ${counter}`);
      assert.ok(counter < counterAfter, `the counter went back below ${counterAfter}: ${counter}`);
      assert.equal(await shell.run('cat /root/marker'), 'precious');
      assert.equal(await shell.run('ls /root'), 'marker');
      await shell.run('(cd /srv/project && sha256sum -c SHA256SUMS > /dev/null)');
      const later = Number(await shell.run('usleep 500000; cat /run/counter'));
      assert.ok(later > counter, 'the counter process lives');
    });
  });

  it('one byte of the memory file has changed → revert is refused, and the machine runs on as it is', async () => {
    const [checkpoint] = (await machine()).checkpoints;
    assert.ok(checkpoint);
    const file = path.join(home.machineFolder(name), 'memory', `${checkpoint.id}.state`);
    const flip = async (): Promise<void> => {
      const memory = await open(file, 'r+');
      try {
        const byte = Buffer.alloc(1);
        await memory.read(byte, 0, 1, 4_000_000);
        await memory.write(Buffer.of(byte.readUInt8() ^ 1), 0, 1, 4_000_000);
      } finally {
        await memory.close();
      }
    };
    await flip();
    try {
      await assert.rejects(
        home.ckpt.run('revert', ['revert', name]),
        (error) => error instanceof Refusal && error.error.code === 'MemoryNotCompatible',
      );
      assert.equal((await machine()).state, 'running');
      await guest(async (shell) => assert.equal(await shell.run('cat /root/marker'), 'precious'));
    } finally {
      await flip();
    }
  });

  it('undo → what was there before the revert is back; redo → the revert', async () => {
    const before = await machine();
    const kept = before.checkpoints.find((checkpoint) => checkpoint.expires !== undefined);
    assert.ok(kept, 'revert kept what Now was');
    const undone = await home.ckpt.run('undo', ['undo', name]);
    assert.equal(undone.applied.id, kept.id);
    assert.equal(undone.machine.state, 'running');
    assert.equal(undone.machine.now.parent, kept.parent, 'Now hangs where it hung before the revert');
    assert.ok(
      !undone.machine.checkpoints.some((checkpoint) => checkpoint.id === kept.id),
      'what was kept is Now again',
    );
    await guest(async (shell) => assert.equal(await shell.run('ls /root; ls /srv'), 'other'));

    await home.ckpt.run('redo', ['redo', name]);
    await guest(async (shell) => assert.equal(await shell.run('cat /root/marker; ls /srv'), 'precious\nproject'));
  });

  it('three checkpoints on two branches → apply across branches → each has its own files', async () => {
    const write = (text: string): Promise<unknown> =>
      guest((shell) => shell.run(`echo ${text} > /root/branch && sync`));
    const read = (): Promise<string> => guest((shell) => shell.run('cat /root/branch'));
    await write('root');
    await home.ckpt.run('take', ['take', name, 'fork']);
    await write('left');
    await home.ckpt.run('take', ['take', name, 'left']);
    await home.ckpt.run('apply', ['apply', name, 'fork', '--discard-now']);
    assert.equal(await read(), 'root');
    await write('right');
    const right = await home.ckpt.run('take', ['take', name, 'right']);
    const fork = right.machine.checkpoints.find((checkpoint) => checkpoint.name === 'fork');
    assert.ok(fork);
    assert.deepEqual(
      right.machine.checkpoints
        .filter((checkpoint) => checkpoint.parent === fork.id && checkpoint.expires === undefined)
        .map((checkpoint) => checkpoint.name),
      ['left', 'right'],
    );
    await write('lost');
    for (const [checkpoint, content] of [
      ['left', 'left'],
      ['right', 'right'],
      ['fork', 'root'],
      ['right', 'right'],
    ] as const) {
      const applied = await home.ckpt.run('apply', ['apply', name, checkpoint, '--discard-now']);
      assert.equal(applied.kept, undefined);
      assert.equal(await read(), content);
    }
  });

  it('pause → resume: the counter stands still and goes on; a checkpoint of a paused machine comes back paused', async () => {
    await home.ckpt.run('pause', ['pause', name]);
    assert.equal((await machine()).state, 'paused');
    await home.ckpt.run('take', ['take', name, 'paused']);
    assert.equal((await machine()).state, 'paused');
    await home.ckpt.run('resume', ['resume', name]);
    assert.equal((await machine()).state, 'running');
    const applied = await home.ckpt.run('apply', ['apply', name, 'paused']);
    assert.equal(applied.machine.state, 'paused');
    await home.ckpt.run('resume', ['resume', name]);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'right');
  });

  it('a paused machine is taken twice, its layers are merged, it is reverted → each happens, and it stands still', async () => {
    const counter = (): Promise<string> => guest((shell) => shell.run('cat /run/counter'));
    const before = Number(await counter());
    await home.ckpt.run('pause', ['pause', name]);
    await home.ckpt.run('take', ['take', name, 'still']);
    const { checkpoint } = await home.ckpt.run('take', ['take', name, 'still the same']);
    assert.equal(checkpoint.hasMemory, true);
    const { problem } = await home.ckpt.run('delete', ['delete', name, 'still', '--purge']);
    assert.equal(problem, undefined);
    const { machine: reverted, kept } = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(kept?.hasMemory, true);
    assert.equal(reverted.state, 'paused');
    await home.ckpt.run('resume', ['resume', name]);
    assert.ok(Number(await counter()) >= before);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'right');
  });

  it('a checkpoint without memory → apply → the machine is stopped, its disk as it was', async () => {
    await guest((shell) => shell.run('echo disk > /root/branch && sync'));
    const taken = await home.ckpt.run('take', ['take', name, 'disks only', '--no-memory']);
    assert.equal(taken.checkpoint.hasMemory, false);
    assert.equal(taken.checkpoint.consistency, 'crash');
    assert.equal(taken.machine.state, 'running');
    await guest((shell) => shell.run('echo later > /root/branch && sync'));
    const applied = await home.ckpt.run('apply', ['apply', name, 'disks only']);
    assert.equal(applied.machine.state, 'stopped');
    assert.equal(applied.kept?.hasMemory, true);
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'disk');
    await home.ckpt.run('undo', ['undo', name]);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'later');
  });

  it('delete a leaf → it is in the trash, whole, and comes back; for good → its memory and layer too', async () => {
    const before = await machine();
    const leaf = before.checkpoints.find((checkpoint) => checkpoint.name === 'left');
    assert.ok(leaf?.memoryFileBytes);
    const trashed = await home.ckpt.run('delete', ['delete', name, 'left']);
    assert.equal(trashed.machine.trash[0]?.checkpoint.id, leaf.id);
    await home.ckpt.run('restore', ['restore', name, 'left']);
    await home.ckpt.run('apply', ['apply', name, 'left', '--discard-now']);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'left');
    await home.ckpt.run('apply', ['apply', name, 'right', '--discard-now']);
    const deleted = await home.ckpt.run('delete', ['delete', name, 'left', '--purge']);
    assert.ok(deleted.freedBytes >= leaf.memoryFileBytes, `${deleted.freedBytes} bytes were freed`);
    assert.ok(!deleted.machine.checkpoints.some((checkpoint) => checkpoint.id === leaf.id));
    await home.ckpt.run('apply', ['apply', name, 'right']);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'right');
  });

  it('delete the checkpoint that Now grew from → Now has what it had, and hangs from its parent', async () => {
    const { checkpoint } = await home.ckpt.run('take', ['take', name, 'in between']);
    await guest((shell) => shell.run('echo after > /root/branch && sync'));
    const deleted = await home.ckpt.run('delete', ['delete', name, checkpoint.id]);
    assert.equal(deleted.machine.now.parent, checkpoint.parent);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'after');
    await home.ckpt.run('stop', ['stop', name]);
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await guest((shell) => shell.run('cat /root/branch')), 'after');
  });

  it('stop: the guest shuts down, and its file system is clean', async () => {
    const stopped = await home.ckpt.run('stop', ['stop', name]);
    assert.equal(stopped.machine.state, 'stopped');
    assert.equal(stopped.machine.problem, undefined);
    assert.deepEqual(await home.processes(), []);
  });
});
