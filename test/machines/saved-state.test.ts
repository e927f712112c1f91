import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { Refusal } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { until } from '../support/vscode/until.ts';
import { Client } from '../unit/engine/server/client.ts';

const name = 'lab';

describe('a machine that is saved', () => {
  const home = homeOfSuite(name, 'started');

  const machine = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const memoryFiles = (): Promise<string[]> => readdir(path.join(home.machineFolder(name), 'memory'));
  const counter = async (): Promise<{ pid: string; value: number }> => {
    const said = await inGuest(home.folder, name, (shell) => shell.run('counter-status'));
    const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(said) ?? [];
    return { pid, value: Number(value) };
  };
  const requireOrder = async (state: MachineInfo['state']): Promise<MachineInfo> => {
    const found = await machine();
    assert.equal(found.state, state);
    assert.deepEqual(await auditMachine(found.folder), { unknown: [], missing: [] });
    assert.equal((await home.processes()).length, state === 'running' ? 1 : 0);
    return found;
  };
  const refuses = (code: string, words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof Refusal);
    assert.equal(error.error.code, code);
    assert.match(error.message, words);
    return true;
  };
  let counted = { pid: '', value: 0 };

  it('save → it is off, its memory in a file; start → the same process counts on, and the file is gone', async () => {
    counted = await counter();
    const saved = await home.ckpt.run('saveState', ['save', name]);
    assert.equal(saved.machine.state, 'saved');
    assert.equal(saved.machine.now.savedMemoryBytes, saved.sizeBytes);
    const [file = ''] = await memoryFiles();
    assert.equal((await stat(path.join(home.machineFolder(name), 'memory', file))).size, saved.sizeBytes);
    await requireOrder('saved');
    const started = await home.ckpt.run('start', ['start', name]);
    assert.equal(started.machine.state, 'running');
    assert.equal(started.machine.now.savedMemoryBytes, undefined);
    await requireOrder('running');
    assert.deepEqual(await memoryFiles(), []);
    const now = await counter();
    assert.equal(now.pid, counted.pid);
    assert.ok(now.value >= counted.value, `${now.value} after ${counted.value}`);
  });

  it('the window that it is saved from is closed in the middle → it is saved all the same', async (context) => {
    const client = await Client.start(context, home.folder);
    const journal = path.join(home.machineFolder(name), 'journal.json');
    // The answer comes too late for anybody.
    client.request('saveState', { machine: name }).catch(() => undefined);
    await until('the saving', () => existsSync(journal), { timeoutMilliseconds: 30_000, intervalMilliseconds: 2 });
    client.process.stdin.end();
    await client.exited;
    await requireOrder('saved');
    await home.ckpt.run('start', ['start', name]);
    assert.equal((await counter()).pid, counted.pid);
  });

  it('take of it → memory in the checkpoint as well, without a copy; what is refused says why', async () => {
    await inGuest(home.folder, name, (shell) => shell.run('echo saved > /root/state && sync'));
    await home.ckpt.run('saveState', ['save', name]);
    await assert.rejects(home.ckpt.run('saveState', ['save', name]), refuses('MachineNotRunning', /is saved/));
    await assert.rejects(
      home.ckpt.run('take', ['take', name, 'consistent', '--kind', 'production-only']),
      refuses('GuestNotResponding', /is saved/),
    );
    const { checkpoint, problem } = await home.ckpt.run('take', ['take', name, 'of saved', '--kind', 'production']);
    assert.match(problem ?? '', /no production checkpoint: .*is saved/);
    assert.equal(checkpoint.hasMemory, true);
    assert.equal(checkpoint.wasSaved, true);
    assert.equal(checkpoint.consistency, 'crash');
    const links = await Promise.all(
      (await memoryFiles()).map(
        async (file) => (await stat(path.join(home.machineFolder(name), 'memory', file))).nlink,
      ),
    );
    assert.deepEqual(links, [2, 2]);
    await requireOrder('saved');
  });

  it('revert of the machine that ran on → it is saved as it was; undo → it runs as it was', async () => {
    await home.ckpt.run('start', ['start', name]);
    await inGuest(home.folder, name, (shell) => shell.run('echo later > /root/state && sync'));
    const { value } = await counter();
    const { kept } = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(kept?.hasMemory, true);
    await requireOrder('saved');
    await home.ckpt.run('undo', ['undo', name]);
    await requireOrder('running');
    const undone = await counter();
    assert.equal(undone.pid, counted.pid);
    assert.ok(undone.value >= value);
    assert.equal(await inGuest(home.folder, name, (shell) => shell.run('cat /root/state')), 'later');
  });

  it('apply over what is saved → that is kept with its memory; undo → saved again; start → it goes on', async () => {
    await home.ckpt.run('saveState', ['save', name]);
    const { kept } = await home.ckpt.run('revert', ['revert', name, '--disks-only']);
    assert.equal(kept?.hasMemory, true);
    assert.equal((await requireOrder('stopped')).now.savedMemoryBytes, undefined);
    await home.ckpt.run('undo', ['undo', name]);
    await requireOrder('saved');
    await home.ckpt.run('start', ['start', name]);
    await requireOrder('running');
    assert.equal((await counter()).pid, counted.pid);
    assert.equal(await inGuest(home.folder, name, (shell) => shell.run('cat /root/state')), 'later');
  });

  it('the checkpoint is deleted for good, then what is saved is discarded → nothing is left of either; the next start boots', async () => {
    await home.ckpt.run('saveState', ['save', name]);
    await home.ckpt.run('delete', ['delete', name, 'of saved', '--subtree', '--purge']);
    await requireOrder('saved');
    const discarded = await home.ckpt.run('discardState', ['discard-state', name]);
    assert.ok(discarded.freedBytes > 10 * 1024 * 1024, String(discarded.freedBytes));
    await requireOrder('stopped');
    await assert.rejects(
      home.ckpt.run('discardState', ['discard-state', name]),
      refuses('MachineNotSaved', /nothing to discard/),
    );
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await inGuest(home.folder, name, (shell) => shell.run('cat /root/state')), 'later');
    assert.ok((await counter()).value < counted.value + 100);
  });

  it('reset → another boot, on the same disks', async () => {
    const before = await machine();
    await inGuest(home.folder, name, (shell) => shell.run('touch /run/this-boot; sync'));
    const reset = await home.ckpt.run('reset', ['reset', name]);
    assert.equal(reset.machine.state, 'running');
    assert.equal(reset.machine.pid, before.pid);
    assert.equal(
      await inGuest(home.folder, name, (shell) => shell.run('test -e /run/this-boot || echo another boot')),
      'another boot',
    );
  });

  it('a file that is not what was saved → start refuses, keeps it, and says how to boot all the same', async () => {
    await home.ckpt.run('saveState', ['save', name]);
    const [file = ''] = await memoryFiles();
    await truncate(path.join(home.machineFolder(name), 'memory', file), 100_000);
    await assert.rejects(
      home.ckpt.run('start', ['start', name]),
      refuses('MemoryNotCompatible', /not whole.*kept.*discard-state/),
    );
    await requireOrder('saved');
  });
});
