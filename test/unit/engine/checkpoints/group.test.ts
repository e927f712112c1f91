import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { GroupJournal } from '../../../../engine/store/group-journal.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import type { GroupMemberRecord } from '../../../../engine/store/records.ts';
import { engineOf, lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf, type CopiesLab } from './copies-lab.ts';

const other = 'server';

test('take a group, write, apply it → each machine is as it was; undo of one goes back for that one', async (context) => {
  const { engine, folder, place, now } = await twoMachines(context);
  const { groups, service } = engine;
  const provenance = { createdBy: 'task', git: { branch: 'main', commit: 'abc' } } as const;
  const { group } = await groups.groupTake({ name: 'both', machines: [other, lab, other], ...provenance }, {});
  assert.deepEqual(
    group.members.map(({ machine, checkpoint: { name, group: id, createdBy, git } }) => [
      machine,
      name,
      id,
      createdBy,
      git,
    ]),
    [
      [lab, 'both', group.id, 'task', provenance.git],
      [other, 'both', group.id, 'task', provenance.git],
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

test('a kind is asked of those that run: stopped ones are taken as they are; memory and a kind without it are refused', async (context) => {
  const { engine, folder, now } = await twoMachines(context);
  const machines = [lab, other];
  const { group, problems } = await engine.groups.groupTake({ machines, kind: 'production-only' }, {});
  assert.deepEqual(
    group.members.map(({ checkpoint }) => checkpoint.consistency),
    ['offline', 'offline'],
  );
  assert.deepEqual(problems, {});
  const wrong = { machines, kind: 'production', memory: true } as const;
  await assert.rejects(engine.groups.groupTake(wrong, {}), { code: 'InvalidArgument' });
  await assert.rejects(engine.plans.plan({ operation: 'groupTake', params: wrong }), { code: 'InvalidArgument' });
  assert.deepEqual((await engine.groups.groupList()).groups, [group]);
  assert.deepEqual(await nows(engine, folder), now);
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

test('an engine died between two machines → the next change of either finds both as before', async (context) => {
  const { engine, folder, place, now } = await twoMachines(context);
  const points = await pointsOf(engine, folder);
  const { id } = await dieAfterTaking(engine, place);
  await engine.service.take({ machine: other, name: 'alone' }, {});
  assert.deepEqual(new GroupJournal(engine.home).ids(), []);
  assert.deepEqual(await pointsOf(engine, folder), points);
  assert.deepEqual(await nows(engine, folder), now);
  assert.ok((await machineOf(engine)).checkpoints.every((checkpoint) => checkpoint.group !== id));
  assert.deepEqual(await disorderOf(place), []);
});

test('one of the machines cannot be read → the other is settled and free; the first is settled when it can be', async (context) => {
  const { engine, folder, place } = await twoMachines(context);
  const points = await pointsOf(engine, folder);
  const record = path.join((await machineOf(engine, other)).folder, 'now.json');
  await dieAfterTaking(engine, place);
  await rename(record, `${record}.away`);
  await engine.service.take({ machine: lab, name: 'alone' }, {});
  const { alone: _, ...others } = await pointsOf(engine, folder);
  assert.deepEqual(others, points);
  assert.equal(new GroupJournal(engine.home).ids().length, 1);
  await assert.rejects(engine.service.take({ machine: other, name: 'alone' }, {}), { code: 'MachineDamaged' });
  await rename(`${record}.away`, record);
  await engine.service.take({ machine: other, name: 'alone' }, {});
  assert.deepEqual(new GroupJournal(engine.home).ids(), []);
});

test('an apply that died, and then the machine was written to → it is as before, and what was written stays', async (context) => {
  const { engine, folder, place, now } = await twoMachines(context);
  const { group } = await engine.groups.groupTake({ name: 'both', machines: [lab, other] }, {});
  const member = await memberOf(engine, lab);
  await engine.service.apply({ machine: lab, checkpoint: 'one' }, {});
  await writeToNow(await machineOf(engine), 99, 3000, 4000);
  const written = (await pointsOf(engine, folder))['Now'];
  await new GroupJournal(engine.home).write({
    id: group.id,
    operation: 'apply',
    started: new Date().toISOString(),
    direction: 'forward',
    members: [member, await memberOf(engine, other)],
  });
  const found = await machineOf(engine);
  assert.deepEqual(await nows(engine, folder), now);
  assert.equal((await pointsOf(engine, folder))['Before undo'], written);
  assert.notEqual(found.now.redo, undefined);
  assert.deepEqual(await disorderOf(place), []);
});

test('two engines take groups of the same machines, named in opposite order → nobody waits for ever', async (context) => {
  const { engine, place } = await twoMachines(context);
  const orders = [
    [lab, other],
    [other, lab],
  ];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, at) =>
      engineOf(place.home).groups.groupTake({ name: `group ${at}`, machines: orders[at % 2] ?? [] }, {}),
    ),
  );
  const done = outcomes.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(done > 0);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'fulfilled' || toWireError(outcome.reason).code === 'Locked');
  }
  const { groups } = await engine.groups.groupList();
  assert.equal(groups.length, done);
  assert.ok(groups.every(({ members }) => members.length === 2));
});

/** Leaves what a group's take does that dies after the first of two machines. */
async function dieAfterTaking(engine: CopiesLab['engine'], { home }: CopiesLab['place']): Promise<{ id: string }> {
  const id = randomUUID();
  const members = [await memberOf(engine, lab), await memberOf(engine, other)];
  await engine.service.take({ machine: lab, name: 'both' }, {});
  const folder = new MachineFolder(path.join(home, 'machines', lab));
  const taken = (await folder.read()).checkpoints.find(({ name }) => name === 'both');
  assert.ok(taken !== undefined);
  await folder.writeCheckpoint({ ...taken, group: id });
  const started = new Date().toISOString();
  await new GroupJournal(engine.home).write({ id, operation: 'take', started, direction: 'forward', members });
  return { id };
}

async function memberOf(engine: CopiesLab['engine'], machine: string): Promise<GroupMemberRecord> {
  const { folder } = await machineOf(engine, machine);
  const { definition, now } = await new MachineFolder(folder).read();
  return { machine: definition.id, name: machine, before: now };
}

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
