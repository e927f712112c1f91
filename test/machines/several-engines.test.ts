import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Refusal } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';

const name = 'lab';

describe('several engines at once', () => {
  const home = homeOfSuite(name, 'started');

  it('one is in the middle of a take → another is refused, told who holds the machine, and changes nothing; the first one finishes', async () => {
    const child = spawn(process.execPath, [engineFile, 'take', name, 'slow'], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    const journal = path.join(home.machineFolder(name), 'journal.json');
    const exists = (): Promise<boolean> =>
      stat(journal).then(
        () => true,
        () => false,
      );
    while (!(await exists())) {
      assert.equal(child.exitCode, null, 'the take has not ended yet');
      await delay(2);
    }
    child.kill('SIGSTOP');
    try {
      for (const args of [
        ['take', name, 'refused'],
        ['revert', name],
        ['stop', name, '--force'],
        ['remove-machine', name],
      ]) {
        await assert.rejects(home.ckpt.run('show', args), (error: unknown) => {
          assert.ok(error instanceof Refusal);
          assert.equal(error.error.code, 'Locked');
          assert.equal(error.exitCode, 1);
          assert.match(error.message, new RegExp(`ckpt \\(process ${child.pid ?? 0}, take\\)`));
          return true;
        });
      }
      const { machine } = await home.ckpt.run('show', ['show', name]);
      assert.deepEqual(machine.busy, { operation: 'take', holder: `ckpt (process ${child.pid ?? 0})` });
      assert.deepEqual(machine.checkpoints, []);
    } finally {
      child.kill('SIGCONT');
    }
    assert.deepEqual(await exited, [0, null]);
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.deepEqual(
      machine.checkpoints.map((checkpoint) => checkpoint.name),
      ['slow'],
    );
    assert.equal(machine.busy, undefined);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
  });

  it('ten of them take and revert at once → each either did it or was refused; the machine is in order', async () => {
    const attempts = Array.from({ length: 10 }, (_, index) =>
      index % 3 === 2 ? ['revert', name, '--discard-now'] : ['take', name, `one of many ${index}`],
    );
    const outcomes = await Promise.allSettled(attempts.map((args) => home.ckpt.run('show', args)));
    const refusals = outcomes.flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
    for (const refusal of refusals) {
      assert.ok(refusal instanceof Refusal, String(refusal));
      assert.equal(refusal.error.code, 'Locked');
    }
    assert.ok(refusals.length < attempts.length, 'at least one was carried out');
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.equal(machine.state, 'running');
    const taken = outcomes.filter((outcome, index) => outcome.status === 'fulfilled' && index % 3 !== 2);
    assert.equal(machine.checkpoints.length, 1 + taken.length);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
  });

  it('two create a machine of one name → one machine, one refusal', async () => {
    const outcomes = await Promise.allSettled(
      [1, 2].map(() => home.ckpt.run('createMachine', ['create-machine', 'twin', '--image', 'playground'])),
    );
    const refusals = outcomes.flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
    assert.equal(refusals.length, 1);
    assert.ok(refusals[0] instanceof Refusal);
    assert.equal(refusals[0].error.code, 'NameInUse');
    assert.deepEqual(await auditMachine(home.machineFolder('twin')), { unknown: [], missing: [] });
  });
});
