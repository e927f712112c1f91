import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 4);

type Victim = 'engine' | 'hypervisor';

describe('a save and a start that are killed (kill -9) at any moment', () => {
  const home = homeOfSuite(name, 'started');
  const random = seededRandom();
  const counts: Record<string, number> = {};

  const counter = async (): Promise<{ pid: string; value: number }> => {
    const said = await inGuest(home.folder, name, (shell) => shell.run('counter-status'));
    const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(said) ?? [];
    return { pid, value: Number(value) };
  };

  /** Runs a verb, and kills the engine or QEMU meanwhile. @returns what was killed */
  const kill = async (args: string[], victim: Victim, longestMs: number): Promise<Victim | undefined> => {
    const child = spawn(process.execPath, [engineFile, ...args], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: 'ignore',
    });
    const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    await delay(Math.floor(random() * longestMs));
    let killed: Victim | undefined;
    if (victim === 'hypervisor') {
      for (const pid of await home.processes()) {
        process.kill(pid, 'SIGKILL');
        killed = victim;
      }
    } else {
      child.kill('SIGKILL');
    }
    if ((await exited) === 'SIGKILL') {
      killed = victim;
    }
    return killed;
  };

  /** The next engine finds the machine in order: nothing lies about, nothing is missing, no process too many. */
  const requireOrder = async (did: string, killed: Victim | undefined): Promise<MachineInfo['state']> => {
    const { machine } = await home.ckpt.run('show', ['show', name]);
    const { state } = machine;
    const outcome = `${did}, ${killed === undefined ? 'nothing' : `the ${killed}`} killed → ${state}`;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    assert.ok(['running', 'saved', ...(killed === 'hypervisor' ? ['stopped'] : [])].includes(state), outcome);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] }, outcome);
    assert.equal((await home.processes()).length, state === 'running' ? 1 : 0, outcome);
    return state;
  };

  it(`${rounds} times → it runs on or is saved, and its processes go on; only one whose process was killed boots`, async (context) => {
    const started = performance.now();
    await home.ckpt.run('saveState', ['save', name]);
    await home.ckpt.run('start', ['start', name]);
    const longestMs = (performance.now() - started) * 0.7;
    for (let round = 0; round < rounds; round++) {
      const before = await counter();
      const victim = random() < 0.3 ? 'hypervisor' : 'engine';
      let state = await requireOrder('save', await kill(['save', name], victim, longestMs));
      if (state === 'running') {
        const { machine } = await home.ckpt.run('saveState', ['save', name]);
        ({ state } = machine);
      }
      if (state === 'saved') {
        const other = random() < 0.3 ? 'hypervisor' : 'engine';
        state = await requireOrder('start', await kill(['start', name], other, longestMs));
      }
      if (state !== 'running') {
        await home.ckpt.run('start', ['start', name]);
      }
      const now = await counter();
      if (state !== 'stopped') {
        assert.equal(now.pid, before.pid);
        assert.ok(now.value >= before.value, `${now.value} after ${before.value}`);
      }
    }
    context.diagnostic(
      Object.entries(counts)
        .map(([outcome, times]) => `${times} × ${outcome}`)
        .join('; '),
    );
  });

  it(`a start and a stop, ${rounds} times → it runs or is off, and never stands still; then it starts`, async () => {
    const started = performance.now();
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await home.ckpt.run('start', ['start', name]);
    await home.ckpt.run('stop', ['stop', name, '--force']);
    const longestMs = (performance.now() - started) * 0.4;
    for (let round = 0; round < rounds; round++) {
      for (const args of [
        ['start', name],
        ['stop', name, '--force'],
      ]) {
        await kill(args, random() < 0.3 ? 'hypervisor' : 'engine', longestMs);
        const { machine } = await home.ckpt.run('show', ['show', name]);
        assert.ok(['running', 'stopped'].includes(machine.state), `${args.join(' ')} → ${machine.state}`);
        assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
        assert.equal((await home.processes()).length, machine.state === 'running' ? 1 : 0);
        if (args[0] === 'start' && machine.state === 'stopped') {
          await home.ckpt.run('start', ['start', name]);
        }
      }
      await home.ckpt.run('stop', ['stop', name, '--force']).catch(() => undefined);
    }
    await home.ckpt.run('start', ['start', name]);
    await counter();
  });
});
