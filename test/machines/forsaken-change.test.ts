import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { look } from '../../engine/hosts/qemu/presence.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { engineFile } from '../support/project.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { standInsOf } from '../support/stand-ins.ts';
import { TestHome } from '../support/test-home.ts';
import { until } from '../support/vscode/until.ts';

const name = 'lab';
/** Memory is saved in less than a second: at times an engine is quicker than whoever kills it. */
const mostRounds = 12;
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 3);
/** The start of an engine, and most of a take. */
const longestMs = 900;
const runsOnWithinMs = 5000;

describe('a guest stands still in the middle of a change, whose engine has died, and no window is open', () => {
  let home: TestHome;

  before(async () => {
    home = await TestHome.withGuest();
    await home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
    await home.ckpt.run('createMachine', ['create-machine', 'other', '--image', 'playground']);
    await home.ckpt.run('start', ['start', name]);
    await inGuest(home.folder, name, (shell) => shell.run('true'));
    await home.ckpt.run('take', ['take', name, 'point']);
  });
  after(() => home.remove());

  const inFolder = (...parts: string[]): string => path.join(home.machineFolder(name), ...parts);
  const start = (args: string[]): ChildProcess =>
    spawn(process.execPath, [engineFile, ...args], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: 'ignore',
    });
  /** As it is, without an engine that would put it in order. */
  const state = async (): Promise<string> => (await look(new MachineFolder(home.machineFolder(name)))).state;

  /** @param withStandIn whether the process dies, too, that would end the change in its place */
  const forsake = async (context: TestContext, withStandIn: boolean): Promise<void> => {
    for (let round = 1; round <= mostRounds; round++) {
      const known = readdirSync(inFolder('memory')).length;
      const child = start(['revert', name]);
      const exited = once(child, 'exit');
      // The guest stands still before its memory gets a file.
      while (readdirSync(inFolder('memory')).length === known && child.exitCode === null) {
        await setImmediate();
      }
      if (withStandIn) {
        standInsOf(home.folder).forEach((pid) => process.kill(pid, 'SIGKILL'));
      }
      child.kill('SIGKILL');
      await exited;
      if (existsSync(inFolder('journal.json')) && (await state()) === 'paused') {
        context.diagnostic(`killed in round ${round}`);
        return;
      }
      await home.ckpt.run('show', ['show', name]);
    }
    assert.fail(`no engine was killed in time in ${mostRounds} rounds`);
  };
  const requireOrder = async (): Promise<void> => {
    assert.equal(await state(), 'running');
    assert.deepEqual(await auditMachine(home.machineFolder(name)), { unknown: [], missing: [] });
    assert.equal((await home.processes()).length, 1);
    await inGuest(home.folder, name, (shell) => shell.run('true'));
  };

  /** Nobody looks: what is seen here puts nothing in order. @returns how long it took until the guest ran on */
  const runsOnByItself = async (orElse: readonly string[] = []): Promise<number> => {
    const killed = performance.now();
    await until(
      'the guest to run on',
      async () => !existsSync(inFolder('journal.json')) && ['running', ...orElse].includes(await state()),
      { timeoutMilliseconds: 30_000, intervalMilliseconds: 20 },
    );
    const tookMs = Math.round(performance.now() - killed);
    assert.ok(tookMs < runsOnWithinMs, `it runs on after ${tookMs} ms`);
    await until('whoever stands by to end', () => standInsOf(home.folder).length === 0, {
      timeoutMilliseconds: 20_000,
    });
    return tookMs;
  };

  it('it runs on within seconds, as nobody looks; the change is taken back, and told', async (context) => {
    await forsake(context, false);
    context.diagnostic(`it runs on after ${await runsOnByItself()} ms`);
    await requireOrder();
    const { changes } = await home.ckpt.run('history', ['history', name]);
    assert.ok(changes.some(({ outcome }) => outcome === 'interrupted'));
  });

  it(`so it does whenever the engine is killed, at random instants of ${rounds} changes of each kind`, async (context) => {
    const random = seededRandom();
    const took: number[] = [];
    let forsaken = 0;
    for (const args of [
      ['take', name],
      ['take', name, '--no-memory'],
      ['take', name, '--kind', 'production'],
      ['apply', name, 'point'],
      ['save', name],
    ]) {
      for (let round = 0; round < rounds; round += 1) {
        const child = start(args);
        const exited = once(child, 'exit');
        await delay(Math.floor(random() * longestMs));
        child.kill('SIGKILL');
        await exited;
        forsaken += existsSync(inFolder('journal.json')) ? 1 : 0;
        // What was saved to the end is off.
        took.push(await runsOnByItself(args[0] === 'save' ? ['stopped'] : []));
        if ((await state()) === 'stopped') {
          await home.ckpt.run('start', ['start', name]);
        }
        // Half a record that nothing names goes when somebody looks.
        await home.ckpt.run('show', ['show', name]);
        await requireOrder();
      }
    }
    context.diagnostic(
      `${forsaken} of ${took.length} engines died in the middle of a change; the slowest guest ran on after ${Math.max(...took)} ms`,
    );
    // What the next ones revert to has memory.
    await home.ckpt.run('apply', ['apply', name, 'point']);
  });

  it('nobody stood by → a verb on another machine leaves it as it is; a list ends what was left, and tells what is so', async (context) => {
    await forsake(context, true);
    await home.ckpt.run('take', ['take', 'other', 'of another']);
    assert.equal(await state(), 'paused');
    const { hosts } = await home.ckpt.run('list', ['list']);
    const shown = hosts.flatMap(({ machines }) => machines).find((machine) => machine.name === name);
    assert.equal(shown?.state, 'running');
    assert.equal(shown.problem, undefined);
    await requireOrder();
  });

  it('so does the next verb on it, before it does what it is asked for', async (context) => {
    await forsake(context, true);
    const { machine, checkpoint } = await home.ckpt.run('take', ['take', name, 'after that']);
    assert.equal(machine.state, 'running');
    assert.equal(checkpoint.hasMemory, true);
    await requireOrder();
    const { changes } = await home.ckpt.run('history', ['history', name]);
    assert.ok(changes.some(({ outcome }) => outcome === 'interrupted'));
  });
});
