import assert from 'node:assert/strict';
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { writeRunningTime } from '../../../../engine/store/running-time-record.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;

/** Bytes that files in a machine's folders of layers and memory take on their volume, as du tells them. */
async function bytesOnDisk(folder: string): Promise<number> {
  let bytes = 0;
  for (const inner of ['layers', 'memory', 'firmware']) {
    const entries = await readdir(path.join(folder, inner), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((one) => one.isFile())) {
      bytes += (await stat(path.join(entry.parentPath, entry.name))).blocks * 512;
    }
  }
  return bytes;
}

test('space → what du tells, and deleting a leaf for good frees what was foretold', async (context) => {
  const { engine } = await copiesLab(context);
  const { folder, checkpoints } = await machineOf(engine);
  const shown = (await engine.retention.space({ machine }, {})).machines[0];
  assert.ok(shown !== undefined);
  assert.equal(shown.totalBytes, await bytesOnDisk(folder));
  assert.equal(shown.unusedBytes, 0);
  assert.ok(shown.freeBytes > 0);
  for (const name of ['Before applying “one”', 'two', 'three', 'one']) {
    const { id } = checkpoints.find((one) => one.name === name) ?? { id: '' };
    const spaces = (await engine.retention.space({ machine }, {})).machines[0];
    const foretold = spaces?.checkpoints.find((one) => one.id === id)?.exclusive;
    assert.ok(foretold !== undefined);
    const before = await bytesOnDisk(folder);
    await engine.service.delete({ machine, checkpoint: id, purge: true });
    const freed = before - (await bytesOnDisk(folder));
    assert.ok(
      freed >= foretold.leastBytes && freed <= foretold.mostBytes,
      `${name}: ${freed} of ${foretold.leastBytes} to ${foretold.mostBytes}`,
    );
  }
});

test('space of a machine that cannot be believed → told of, and the others are shown', async (context) => {
  const { engine } = await copiesLab(context);
  await engine.copies.clone({ machine, checkpoint: 'two', name: 'twin', full: true }, {});
  await rm(path.join((await machineOf(engine, 'twin')).folder, 'now.json'));
  const { machines, failed } = await engine.retention.space({}, {});
  assert.deepEqual(
    machines.map((one) => one.machine),
    [machine],
  );
  assert.deepEqual(
    failed.map((one) => [one.machine, one.code]),
    [['twin', 'MachineDamaged']],
  );
});

test('prune → a day later what apply kept is gone for good; everything else holds what it held', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const { 'Before applying “one”': _, ...staying } = points;
  assert.deepEqual((await engine.retention.prune({}, {})).machines[0]?.deleted, []);
  assert.deepEqual(await pointsOf(engine, folder), points);
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 25 * 60 * 60 * 1000 });
  const foretold = await engine.retention.prune({ dryRun: true }, {});
  assert.deepEqual(await pointsOf(engine, folder), points);
  const pruned = await engine.retention.prune({}, {});
  assert.deepEqual(pruned, { ...foretold, isDryRun: false });
  assert.deepEqual(
    pruned.machines[0]?.deleted.map(({ name, rule }) => [name, rule]),
    [['Before applying “one”', 'expired']],
  );
  assert.deepEqual(await pointsOf(engine, folder), staying);
  assert.deepEqual((await machineOf(engine)).trash, []);
  assert.deepEqual(await disorderOf(place), []);
  assert.deepEqual((await engine.retention.prune({}, {})).machines[0]?.deleted, []);
});

test('prune → what was deleted leaves the trash once its time is over', async (context) => {
  const { engine, place } = await copiesLab(context);
  await engine.service.delete({ machine, checkpoint: 'two' });
  await engine.retention.prune({ machine }, {});
  assert.equal((await machineOf(engine)).trash.length, 1);
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 25 * 60 * 60 * 1000 });
  await engine.retention.prune({ machine }, {});
  assert.equal((await machineOf(engine)).trash.length, 0);
  assert.deepEqual(await disorderOf(place), []);
});

test('a policy → kept in the machine’s folder; its rules take the automatic ones, never what is pinned', async (context) => {
  const { engine, folder, points, place } = await copiesLab(context);
  for (const name of ['task 1', 'task 2', 'task 3']) {
    await engine.service.take({ machine, name, createdBy: 'task' }, {});
  }
  await engine.service.annotate({ machine, checkpoint: 'task 1', pinned: true });
  assert.deepEqual(await engine.retention.policy({ machine }), { machine, policy: {} });
  await engine.retention.policy({ machine, policy: { keepLast: 1 } });
  assert.deepEqual(await engine.retention.policy({ machine }), { machine, policy: { keepLast: 1 } });
  const { machines } = await engine.retention.prune({ machine }, {});
  assert.deepEqual(
    machines[0]?.deleted.map(({ name }) => name),
    ['task 2'],
  );
  const left = await pointsOf(engine, folder);
  assert.deepEqual(left, { ...points, 'task 1': points['Now'], 'task 3': points['Now'] });
  assert.deepEqual(await disorderOf(place), []);
});

test('a policy by running time → days without running expire nothing, a day of running does', async (context) => {
  const { engine } = await copiesLab(context);
  const folder = new MachineFolder((await machineOf(engine)).folder);
  await engine.retention.policy({ machine, policy: { ageBy: 'running' } });
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 72 * 60 * 60 * 1000 });
  assert.deepEqual((await engine.retention.prune({}, {})).machines[0]?.deleted, []);
  await writeRunningTime(folder.path, { milliseconds: 23 * 60 * 60 * 1000 });
  assert.deepEqual((await engine.retention.prune({}, {})).machines[0]?.deleted, []);
  await writeRunningTime(folder.path, { milliseconds: 24 * 60 * 60 * 1000 });
  assert.deepEqual(
    (await engine.retention.prune({}, {})).machines[0]?.deleted.map(({ name }) => name),
    ['Before applying “one”'],
  );
  await engine.service.take({ machine, name: 'later' }, {});
  await writeRunningTime(folder.path, { milliseconds: 0 });
  await engine.service.take({ machine, name: 'after the record was lost' }, {});
  const { checkpoints } = await folder.read();
  const runningSeconds = checkpoints.filter(({ name }) => /later|lost/.test(name)).map((one) => one.runningSeconds);
  assert.deepEqual(runningSeconds, [24 * 60 * 60, 24 * 60 * 60]);
});

test('a policy by running time, where another program runs the machine → NotSupported', async (context) => {
  const { engine, place } = await copiesLab(context);
  await engine.service.addMachine({ name: 'box', host: 'disks', disk: place.image }, {});
  await assert.rejects(engine.retention.policy({ machine: 'box', policy: { ageBy: 'running', hourly: 2 } }), {
    code: 'NotSupported',
  });
});
