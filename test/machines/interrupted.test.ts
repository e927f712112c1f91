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
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 8);

describe('an engine that is killed (kill -9) at any moment', () => {
  const home = homeOfSuite(name, 'started');
  const random = seededRandom();

  const machine = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const write = (text: string): Promise<unknown> =>
    inGuest(home.folder, name, (shell) => shell.run(`echo ${text} > /root/state && sync`));
  const read = (): Promise<string> => inGuest(home.folder, name, (shell) => shell.run('cat /root/state'));

  /** Kills `ckpt` after a random time, unless it was faster. @returns whether it was killed */
  const kill = async (args: string[], longestMs: number): Promise<boolean> => {
    const child = spawn(process.execPath, [engineFile, ...args], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: 'ignore',
    });
    const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    await delay(Math.floor(random() * longestMs));
    child.kill('SIGKILL');
    return (await exited) === 'SIGKILL';
  };
  /** The next engine finds the machine in order: running, nothing lying about, nothing missing. */
  const requireOrder = async (): Promise<MachineInfo> => {
    const found = await machine();
    assert.equal(found.state, 'running');
    assert.deepEqual(await auditMachine(found.folder), { unknown: [], missing: [] });
    assert.equal((await home.processes()).length, 1);
    return found;
  };

  it(`take, ${rounds} times → the checkpoint is whole or is not there, and the guest runs on`, async (context) => {
    let killed = 0;
    for (let round = 0; round < rounds; round++) {
      await write(`take${round}`);
      const before = await machine();
      killed += (await kill(['take', name, `round ${round}`], 1200)) ? 1 : 0;
      const found = await requireOrder();
      assert.equal(await read(), `take${round}`);
      const taken = found.checkpoints.find((checkpoint) => checkpoint.name === `round ${round}`);
      if (taken === undefined) {
        assert.equal(found.now.parent, before.now.parent);
      } else {
        await write('spoilt');
        await home.ckpt.run('revert', ['revert', name, '--discard-now']);
        assert.equal(await read(), `take${round}`);
      }
    }
    context.diagnostic(`${killed} of ${rounds} takes were killed`);
  });

  it(`revert, ${rounds} times → Now is what it was or what it was to be, and neither is lost`, async (context) => {
    let killed = 0;
    for (let round = 0; round < rounds; round++) {
      await write(`point${round}`);
      const { checkpoint } = await home.ckpt.run('take', ['take', name, `point ${round}`]);
      await write(`present${round}`);
      killed += (await kill(['revert', name], 2500)) ? 1 : 0;
      const found = await requireOrder();
      const state = await read();
      assert.equal(found.now.parent, checkpoint.id);
      if (state === `present${round}`) {
        await home.ckpt.run('revert', ['revert', name]);
        assert.equal(await read(), `point${round}`);
      } else {
        assert.equal(state, `point${round}`);
      }
      await home.ckpt.run('undo', ['undo', name]);
      assert.equal(await read(), `present${round}`);
    }
    context.diagnostic(`${killed} of ${rounds} reverts were killed`);
  });

  it('undo, delete and start/stop too', async () => {
    await home.ckpt.run('revert', ['revert', name]);
    const states = [await read()];
    for (let round = 0; round < Math.ceil(rounds / 2); round++) {
      await kill(['undo', name], 1500);
      await requireOrder();
      states.push(await read());
    }
    assert.ok(
      states.every((state) => /^(?:point|present)\d+$/.test(state)),
      states.join(', '),
    );
    const { checkpoints } = await machine();
    for (const checkpoint of checkpoints.slice(0, 4)) {
      await kill(['delete', name, checkpoint.id], 400);
      await requireOrder();
    }
    const last = await read();
    await kill(['stop', name], 1500);
    const { state } = await machine();
    if (state === 'stopped') {
      await home.ckpt.run('start', ['start', name]);
    }
    assert.equal(await read(), last);
  });
});
