import assert from 'node:assert/strict';
import os from 'node:os';
import { test, type TestContext } from 'node:test';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { tryFileLock } from '../../../../engine/store/file-lock.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { copiesLab, disorderOf, machineOf } from './copies-lab.ts';

const hourMs = 60 * 60 * 1000;
const expiring = 'Before applying “one”';

/** Lets both clocks go on together, or only the one that people set. */
function clocks(context: TestContext): { pass: (hours: number) => void; set: (hours: number) => void } {
  const uptime = os.uptime();
  let on = 0;
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  context.mock.method(os, 'uptime', () => uptime + on * 3600);
  const set = (hours: number): void => context.mock.timers.setTime(Date.now() + hours * hourMs);
  return {
    set,
    pass: (hours) => {
      on += hours;
      set(hours);
    },
  };
}

test('what expired while the computer slept stays for an hour in which it can be pinned, then goes by itself', async (context) => {
  const { engine, place } = await copiesLab(context);
  const { pass } = clocks(context);
  const names = async (): Promise<string[]> => (await machineOf(engine)).checkpoints.map(({ name }) => name);
  await engine.retention.pruneDue({});
  pass(30);
  assert.deepEqual(await engine.retention.pruneDue({}), []);
  assert.ok((await names()).includes(expiring));
  pass(1);
  assert.deepEqual(await engine.retention.pruneDue({}), []);
  assert.ok(!(await names()).includes(expiring));
  assert.deepEqual(await disorderOf(place), []);
});

test('a clock that is set forth by a week lets nothing go by itself', async (context) => {
  const { engine } = await copiesLab(context);
  const { pass, set } = clocks(context);
  await engine.retention.pruneDue({});
  set(7 * 24);
  for (let looks = 0; looks < 5; looks += 1) {
    await engine.retention.pruneDue({});
    pass(1);
  }
  assert.ok((await machineOf(engine)).checkpoints.some(({ name }) => name === expiring));
});

test('an engine that leaves → what is due of the machine that it changed is in the trash, unless another has it locked', async (context) => {
  const { engine, place } = await copiesLab(context);
  const { pass } = clocks(context);
  const trash = async (): Promise<string[]> => (await machineOf(engine)).trash.map(({ checkpoint }) => checkpoint.name);
  pass(30);
  await engine.service.annotate({ machine: lab, checkpoint: 'one', notes: 'changed' });
  await engine.retention.trashDue();
  assert.deepEqual(await trash(), []);
  pass(2);
  const folder = new MachineFolder((await machineOf(engine)).folder);
  const attempt = await tryFileLock(folder.lock, { operation: 'take', face: 'another' });
  assert.ok('lock' in attempt);
  await engine.retention.trashDue();
  await attempt.lock.release();
  assert.deepEqual(await trash(), []);
  await engine.retention.trashDue();
  assert.deepEqual(await trash(), [expiring]);
  assert.deepEqual(await disorderOf(place), []);
});
