import assert from 'node:assert/strict';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf, type CopiesLab } from './copies-lab.ts';

const other = 'server';

test('take a group, write, apply it → each machine is as it was; undo of one goes back for that one', async (context) => {
  const { engine, folder, place, now } = await twoMachines(context);
  const { groups, service } = engine;
  const { group } = await groups.groupTake({ name: 'both', machines: [other, lab, other] }, {});
  assert.deepEqual(
    group.members.map(({ machine, checkpoint }) => [machine, checkpoint.name, checkpoint.group]),
    [
      [lab, 'both', group.id],
      [other, 'both', group.id],
    ],
  );
  assert.deepEqual(await groups.groupList(), { groups: [group] });
  const written = await writeToBoth(engine, folder);
  await groups.groupApply({ group: 'both' }, {});
  assert.deepEqual(await nows(engine, folder), now);
  await service.undo({ machine: other }, {});
  assert.deepEqual(await nows(engine, folder), { ...now, [other]: written[other] });
  assert.deepEqual(await disorderOf(place), []);
});

test('a take that fails on one machine → none has the checkpoint; the error names that machine', async (context) => {
  const { engine, folder, place, now } = await twoMachines(context);
  const before = await Promise.all([lab, other].map((machine) => pointsOf(engine, folder, machine)));
  const mend = await breakDisk(engine);
  await assert.rejects(engine.groups.groupTake({ name: 'both', machines: [lab, other] }, {}), {
    code: 'ImageDamaged',
    message: /^Machine “server”: .*as before\.$/s,
  });
  await mend();
  assert.deepEqual(await engine.groups.groupList(), { groups: [] });
  assert.deepEqual(await Promise.all([lab, other].map((machine) => pointsOf(engine, folder, machine))), before);
  assert.deepEqual(await nows(engine, folder), now);
  assert.deepEqual((await machineOf(engine)).trash, []);
  assert.deepEqual(await disorderOf(place), []);
});

test('an apply that fails on one machine → the others are undone', async (context) => {
  const { engine, folder } = await twoMachines(context);
  const { groups } = engine;
  await groups.groupTake({ name: 'both', machines: [lab, other] }, {});
  const written = await writeToBoth(engine, folder);
  const checkpoints = (await machineOf(engine)).checkpoints;
  await engine.service.delete({ machine: other, checkpoint: 'both' }, {});
  await engine.service.restore({ machine: other, checkpoint: 'both' });
  const mend = await breakDisk(engine);
  await assert.rejects(groups.groupApply({ group: 'both' }, {}), { message: /^Machine “server”: / });
  await mend();
  assert.deepEqual(await nows(engine, folder), written);
  const after = await machineOf(engine);
  assert.deepEqual(after.checkpoints, checkpoints);
});

test('delete a group → all are in the trash; they can be restored', async (context) => {
  const { engine, folder, now } = await twoMachines(context);
  const { groups, service } = engine;
  const { group } = await groups.groupTake({ name: 'both', machines: [lab, other] }, {});
  await groups.groupDelete({ group: group.id.slice(0, 8) });
  assert.deepEqual(await groups.groupList(), { groups: [] });
  await assert.rejects(groups.groupApply({ group: 'both' }, {}), { code: 'CheckpointNotFound' });
  for (const machine of [lab, other]) {
    await service.restore({ machine, checkpoint: 'both' });
  }
  assert.equal((await groups.groupList()).groups[0]?.members.length, 2);
  assert.deepEqual(await nows(engine, folder), now);
});

test('two groups of one name → AmbiguousName, with their ids', async (context) => {
  const { engine } = await twoMachines(context);
  const { groups } = engine;
  await groups.groupTake({ name: 'both', machines: [lab, other] }, {});
  const { group } = await groups.groupTake({ name: 'both', machines: [lab] }, {});
  await assert.rejects(groups.groupApply({ group: 'both' }, {}), { code: 'AmbiguousName' });
  await groups.groupApply({ group: group.id }, {});
});

async function twoMachines(context: TestContext): Promise<CopiesLab & { now: Record<string, string | undefined> }> {
  const made = await copiesLab(context);
  await made.engine.copies.clone({ machine: lab, checkpoint: 'two', name: other, full: true }, {});
  return { ...made, now: await nows(made.engine, made.folder) };
}

async function nows(engine: CopiesLab['engine'], folder: string): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  for (const machine of [lab, other]) {
    found[machine] = (await pointsOf(engine, folder, machine))['Now'];
  }
  return found;
}

async function writeToBoth(engine: CopiesLab['engine'], folder: string): Promise<Record<string, string | undefined>> {
  for (const [at, machine] of [lab, other].entries()) {
    await writeToNow(await machineOf(engine, machine), 60 + at, 2000, 6000);
  }
  return nows(engine, folder);
}

/** Makes the base of the second machine no image any more. @returns what mends it */
async function breakDisk(engine: CopiesLab['engine']): Promise<() => Promise<void>> {
  const { folder } = await machineOf(engine, other);
  const base = `${folder}/layers/disk0-base.qcow2`;
  const content = await readFile(base);
  const replace = async (text: Buffer | string): Promise<void> => {
    await rm(base);
    await writeFile(base, text);
    await chmod(base, 0o400);
  };
  await replace('x'.repeat(content.length));
  return () => replace(content);
}
