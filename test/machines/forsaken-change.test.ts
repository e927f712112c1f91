import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { look } from '../../engine/hosts/qemu/presence.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { engineFile } from '../support/project.ts';
import { TestHome } from '../support/test-home.ts';

const name = 'lab';
/** Memory is saved in less than a second: at times an engine is quicker than whoever kills it. */
const mostRounds = 12;

describe('a guest stands still in the middle of a revert, whose engine has died, and no window is open', () => {
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
  /** As it is, without an engine that would put it in order. */
  const state = async (): Promise<string> => (await look(new MachineFolder(home.machineFolder(name)))).state;

  const forsake = async (context: TestContext): Promise<void> => {
    for (let round = 1; round <= mostRounds; round++) {
      const known = readdirSync(inFolder('memory')).length;
      const child = spawn(process.execPath, [engineFile, 'revert', name], {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      // The guest stands still before its memory gets a file.
      while (readdirSync(inFolder('memory')).length === known && child.exitCode === null) {
        await setImmediate();
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

  it('a verb on another machine leaves it as it is; a list ends what was left, and tells what is so', async (context) => {
    await forsake(context);
    await home.ckpt.run('take', ['take', 'other', 'of another']);
    assert.equal(await state(), 'paused');
    const { hosts } = await home.ckpt.run('list', ['list']);
    const shown = hosts.flatMap(({ machines }) => machines).find((machine) => machine.name === name);
    assert.equal(shown?.state, 'running');
    assert.equal(shown.problem, undefined);
    await requireOrder();
  });

  it('so does the next verb on it, before it does what it is asked for', async (context) => {
    await forsake(context);
    const { machine, checkpoint } = await home.ckpt.run('take', ['take', name, 'after that']);
    assert.equal(machine.state, 'running');
    assert.equal(checkpoint.hasMemory, true);
    await requireOrder();
    const { changes } = await home.ckpt.run('history', ['history', name]);
    assert.ok(changes.some(({ outcome }) => outcome === 'interrupted'));
  });
});
