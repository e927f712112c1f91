import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { GuestShell, inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { until } from '../support/vscode/until.ts';
import { Client } from '../unit/engine/server/client.ts';

const name = 'lab';
/** What is promised, and as long again for a computer that has other things to do. */
const noticedWithinMs = 4000;
const panicked = /kernel panicked.*ckpt reset.*ckpt revert/;

describe('a guest whose kernel panics', () => {
  const home = homeOfSuite(name, 'up');

  const show = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  /** Its process and where it is. */
  const counter = async (): Promise<{ pid: string; value: number }> => {
    const status = await inGuest(home.folder, name, (shell) => shell.run('counter-status'));
    const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(status) ?? [];
    return { pid, value: Number(value) };
  };
  const panic = async (): Promise<number> => {
    const shell = await GuestShell.open(home.folder, name);
    const typed = performance.now();
    await assert.rejects(shell.run('echo c > /proc/sysrq-trigger', 300));
    shell.close();
    return typed;
  };
  const requirePanicked = async (): Promise<void> => {
    const { state, problem, hasPanicked } = await show();
    assert.equal(state, 'paused');
    assert.equal(hasPanicked, true);
    assert.match(problem ?? '', panicked);
  };
  const requireWell = async (state: MachineInfo['state'] = 'running'): Promise<void> => {
    const found = await show();
    assert.equal(found.state, state);
    assert.equal(found.problem, undefined);
    assert.equal(found.hasPanicked, undefined);
    assert.deepEqual(await auditMachine(found.folder), { unknown: [], missing: [] });
  };

  it('it stands still, and every window is told with the ways on; revert → it runs as it did before', async (context) => {
    await requireWell();
    const { pid, value } = await counter();
    await home.ckpt.run('take', ['take', name, 'before']);
    const client = await Client.start(context, home.folder);
    const seen = await client.request('list', {});
    assert.equal(seen.hosts.flatMap(({ machines }) => machines)[0]?.state, 'running');
    const typed = await panic();
    await until('the engine to tell of it', () => client.changes.some(({ machines }) => machines?.includes(name)), {
      timeoutMilliseconds: 30_000,
      intervalMilliseconds: 20,
    });
    const toldMs = Math.round(performance.now() - typed);
    context.diagnostic(`told after ${toldMs} ms`);
    assert.ok(toldMs < noticedWithinMs, `told after ${toldMs} ms`);
    await requirePanicked();

    await home.ckpt.run('revert', ['revert', name]);
    await requireWell();
    const again = await counter();
    assert.equal(again.pid, pid);
    assert.ok(again.value >= value);
  });

  it('undo → the panic is back, and is shown though this QEMU has not heard of it; reset → it boots and is well', async () => {
    await home.ckpt.run('undo', ['undo', name]);
    await requirePanicked();
    await home.ckpt.run('reset', ['reset', name]);
    await counter();
    await requireWell();
  });

  it('its memory is saved while it stands still → it has panicked all the same; reset → it boots', async () => {
    await panic();
    await until('it to stand still', async () => (await show()).state === 'paused', { timeoutMilliseconds: 30_000 });
    await home.ckpt.run('take', ['take', name, 'panicked']);
    await requirePanicked();
    await home.ckpt.run('reset', ['reset', name]);
    await counter();
    await requireWell();
    await home.ckpt.run('stop', ['stop', name]);
    await requireWell('stopped');
  });
});
