import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
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
/** What is promised, and as long again for a computer that has other things to do. */
const noticedWithinMs = 4000;

describe('a machine whose process is not what it was', () => {
  const home = homeOfSuite(name, 'stopped');

  const machine = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const hypervisor = async (): Promise<number> => {
    const [pid, ...others] = await home.processes();
    assert.ok(pid !== undefined && others.length === 0);
    return pid;
  };
  const record = (): string => path.join(home.machineFolder(name), 'run', 'current-process.json');
  const changeRecord = async (change: Record<string, unknown>): Promise<void> => {
    const text = await readFile(record(), 'utf8');
    await writeFile(record(), JSON.stringify({ ...JSON.parse(text), ...change }));
  };
  const requireStarts = async (): Promise<void> => {
    const { machine: started } = await home.ckpt.run('start', ['start', name]);
    assert.equal(started.state, 'running');
    assert.equal(started.problem, undefined);
    assert.deepEqual(await auditMachine(started.folder), { unknown: [], missing: [] });
  };

  it('killed → an engine that did not start it tells so, with how it ended; so does the next action; then it starts', async (context) => {
    await requireStarts();
    const client = await Client.start(context, home.folder);
    const greeted = performance.now();
    const { hosts } = await client.request('list', {});
    assert.equal(hosts.flatMap(({ machines }) => machines)[0]?.state, 'running');
    // It has looked once at least by then.
    await until('its first look', () => performance.now() - greeted > 1500, { timeoutMilliseconds: 10_000 });
    client.changes.length = 0;
    const killed = performance.now();
    process.kill(await hypervisor(), 'SIGKILL');
    await until('the engine to tell of it', () => client.changes.some(({ machines }) => machines?.includes(name)), {
      timeoutMilliseconds: 30_000,
      intervalMilliseconds: 20,
    });
    const toldMs = Math.round(performance.now() - killed);
    context.diagnostic(`told after ${toldMs} ms`);
    assert.ok(toldMs < noticedWithinMs, `told after ${toldMs} ms`);
    const shown = await machine();
    assert.equal(shown.state, 'stopped');
    assert.match(shown.problem ?? '', /^QEMU \(process \d+\) (ended without a word|was killed)/);
    assert.ok((await readFile(shown.hypervisorLog ?? '', 'utf8')).length >= 0);
    await assert.rejects(home.ckpt.run('pause', ['pause', name]), ({ error }: Refusal) => {
      assert.equal(error.code, 'MachineNotRunning');
      assert.match(error.message, /not running\. QEMU \(process \d+\)/);
      return true;
    });
    await requireStarts();
  });

  it('its process number belongs to another process → stopped, and that one is left alone; then it starts', async () => {
    process.kill(await hypervisor(), 'SIGKILL');
    await changeRecord({ pid: process.pid });
    const { state, pid } = await machine();
    assert.deepEqual({ state, pid }, { state: 'stopped', pid: undefined });
    await requireStarts();
  });

  it('the computer was restarted meanwhile → stopped, and says so; then it starts', async () => {
    process.kill(await hypervisor(), 'SIGKILL');
    await changeRecord({ identity: '00000000-0000-0000-0000-000000000000:1' });
    const { state, problem } = await machine();
    assert.equal(state, 'stopped');
    assert.match(problem ?? '', /computer was restarted/);
    await requireStarts();
  });

  it('it hangs → shown as such, with the way out; a command gives up in time, and forcing works', async () => {
    process.kill(await hypervisor(), 'SIGSTOP');
    const shown = await machine();
    assert.equal(shown.state, 'running');
    assert.match(shown.problem ?? '', /does not answer.*--force/);
    const asked = performance.now();
    await assert.rejects(home.ckpt.run('pause', ['pause', name]), ({ error }: Refusal) => {
      assert.equal(error.code, 'QmpTimeout');
      assert.match(error.message, /--force/);
      return true;
    });
    assert.ok(performance.now() - asked < 60_000);
    const { machine: stopped } = await home.ckpt.run('stop', ['stop', name, '--force']);
    assert.equal(stopped.state, 'stopped');
    assert.equal(stopped.problem, undefined);
    await requireStarts();
  });

  it('its guest powers itself off → stopped, and nothing is wrong', async () => {
    await inGuest(home.folder, name, (shell) => shell.run('(sleep 1; poweroff) >/dev/null 2>&1 &'));
    const ended = await until(
      'it to be off',
      async () => {
        const found = await machine();
        return found.state === 'stopped' ? found : undefined;
      },
      { timeoutMilliseconds: 60_000 },
    );
    assert.equal(ended.problem, undefined);
  });
});
