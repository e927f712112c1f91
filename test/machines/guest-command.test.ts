import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { runCkpt, type CkptRun } from '../support/ckpt.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';
import { until } from '../support/vscode/until.ts';

const name = 'lab';

describe('a command in the guest', () => {
  const home = homeOfSuite(name, 'up');

  const ckpt = (args: string[]): Promise<CkptRun> => runCkpt(home.folder, args);
  const show = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const sh = (script: string): string[] => ['/bin/sh', '-c', script];

  it('exec → output, errors and exit code are the program’s', async () => {
    const { code, stdout, stderr } = await ckpt(['exec', name, '--', ...sh('echo out; echo err >&2; exit 9')]);
    assert.deepEqual([code, stdout, stderr], [9, 'out\n', 'err\n']);
  });

  it('exec of a program that there is not → says so', async () => {
    const { code, stderr } = await ckpt(['exec', name, '--', '/no/such/program']);
    assert.equal(code, 1);
    assert.match(stderr, /“\/no\/such\/program” was not started in the guest/);
  });

  it('a time limit → the program is ended in the guest', async () => {
    const { code, stderr } = await ckpt(['exec', name, '--timeout', '1', '--', '/bin/sleep', '777']);
    assert.equal(code, 1);
    assert.match(stderr, /did not end within 1 s/);
    await inGuest(home.folder, name, async (shell) => {
      assert.equal(await shell.run('ps | grep -c "[s]leep 777" || true'), '0');
    });
  });

  it('guard --guest, the command fails, revert → what it did is gone, disk and processes', async () => {
    const script = 'touch /root/made-by-guard; sync; sleep 555 >/dev/null 2>&1 & exit 4';
    const { code, stderr } = await ckpt(['guard', name, '--guest', '--on-fail', 'revert', '--', ...sh(script)]);
    // The shell goes on after “&”; its own exit code is that of “exit”.
    assert.equal(code, 4, stderr);
    assert.match(stderr, /Reverted “lab”.* The guest has a new generation id\./);
    await inGuest(home.folder, name, async (shell) => {
      assert.equal(await shell.run('ls /root/made-by-guard 2>&1 | grep -c "No such" || true'), '1');
      assert.equal(await shell.run('ps | grep -c "[s]leep 555" || true'), '0');
    });
    const { checkpoints, state } = await show();
    assert.equal(state, 'running');
    assert.equal(checkpoints.find(({ guard }) => guard !== undefined)?.guard?.where, 'guest');
  });

  it('guard --guest, the command succeeds → a pair; both with memory', async () => {
    const { code, stdout } = await ckpt([
      'guard',
      name,
      '--guest',
      '--',
      ...sh('echo kept > /root/kept; sync; cat /root/kept'),
    ]);
    assert.deepEqual([code, stdout], [0, 'kept\n']);
    const { checkpoints, now } = await show();
    const last = checkpoints.at(-1);
    assert.equal(now.parent, last?.id);
    assert.equal(last?.guardOf, checkpoints.at(-2)?.id);
    assert.deepEqual(
      checkpoints.slice(-2).map(({ hasMemory }) => hasMemory),
      [true, true],
    );
  });

  it('Ctrl+C → the program is ended in the guest, and the guard says what is to be done', async () => {
    const child = spawn(
      process.execPath,
      [engineFile, 'guard', name, '--guest', '--no-memory', '--', '/bin/sleep', '888'],
      {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
        stdio: 'ignore',
      },
    );
    await until(
      'the program to run',
      async () => (await ckpt(['exec', name, '--', ...sh('ps | grep "[s]leep 888"')])).code === 0,
      {
        timeoutMilliseconds: 60_000,
      },
    );
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    assert.equal(code, 130);
    assert.notEqual((await ckpt(['exec', name, '--', ...sh('ps | grep "[s]leep 888"')])).code, 0);
    assert.equal((await show()).guards, undefined);
  });

  it('a stopped machine → refused before anything is taken', async () => {
    await home.ckpt.run('stop', ['stop', name, '--force']);
    const { length } = (await show()).checkpoints;
    const { code, stderr } = await ckpt(['guard', name, '--guest', '--', '/bin/true']);
    assert.equal(code, 125);
    assert.match(stderr, /stopped, so no command can run in its guest/);
    assert.equal((await show()).checkpoints.length, length);
  });
});
