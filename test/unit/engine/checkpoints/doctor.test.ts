import assert from 'node:assert/strict';
import { appendFile, chmod, cp, open, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { DoctorOperations } from '../../../../engine/protocol/doctor.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf, pointsOf, type CopiesLab } from './copies-lab.ts';
import { requireTranslatable } from './told-findings.ts';

const machine = lab;
type Options = Omit<DoctorOperations['doctor']['params'], 'machine'>;

interface Patient extends CopiesLab {
  of: MachineFolder;
  /** Codes of what is found; those that were repaired begin with +. */
  found: (options?: Options) => Promise<string[]>;
  layerOf: (checkpoint: string) => Promise<string>;
}

async function patient(context: TestContext): Promise<Patient> {
  const made = await copiesLab(context);
  const of = new MachineFolder((await machineOf(made.engine)).folder);
  return {
    ...made,
    of,
    found: async (options = {}) => {
      const { machines } = await made.engine.doctor.doctor({ machine, ...options }, {});
      requireTranslatable(machines.flatMap(({ findings }) => findings));
      return machines.flatMap(({ findings }) => findings.map((one) => `${one.isRepaired ? '+' : ''}${one.code}`));
    },
    layerOf: async (name) => {
      const layer = (await of.read()).checkpoints.find((one) => one.name === name)?.layers['disk0'];
      return of.inner(layer ?? '');
    },
  };
}

test('a machine in order → silence, also when looked at deeply, twice', async (context) => {
  const { found, engine } = await patient(context);
  assert.deepEqual(await found(), []);
  assert.deepEqual(await found({ deep: true }), []);
  assert.deepEqual(await found({ deep: true }), []);
  assert.equal((await engine.doctor.doctor({}, {})).isSound, true);
});

test('files that nothing names → found; repaired they lie in lost+found, and the machine is as before', async (context) => {
  const { of, found, engine, place, folder, points } = await patient(context);
  for (const file of ['layers/disk0-00000000.qcow2', 'memory/x.state', 'checkpoints/a.new', 'trash/b.new']) {
    await writeFile(of.inner(file), 'something');
  }
  assert.deepEqual(await found(), ['orphan', 'orphan', 'orphan', 'orphan']);
  assert.deepEqual(await found({ repair: true }), ['+orphan', '+orphan', '+orphan', '+orphan']);
  assert.deepEqual(await found(), []);
  const lost = await readdir(path.join(place.home, 'lost+found', machine), { recursive: true });
  assert.equal(lost.filter((file) => /\.(?:qcow2|state|new)$/.test(file)).length, 4);
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('a layer with another modification time → changed, naming what stands on it; accepted, the machine works', async (context) => {
  const { found, engine, layerOf } = await patient(context);
  const file = await layerOf('one');
  await utimes(file, new Date(), new Date(0));
  const { machines, isSound } = await engine.doctor.doctor({ machine }, {});
  assert.equal(isSound, false);
  const finding = machines[0]?.findings[0];
  assert.equal(finding?.code, 'changed');
  assert.match(finding.message, /“two”.*“three”|“three”.*“two”/);
  await assert.rejects(engine.service.apply({ machine, checkpoint: 'two' }, {}), { code: 'ParentMismatch' });
  assert.deepEqual(await found({ acceptChanged: true }), ['+changed']);
  assert.deepEqual(await found(), []);
  await engine.service.apply({ machine, checkpoint: 'two' }, {});
});

test('the layer that a disk began with, of a machine from an image and of a full clone, is written to → changed, and nothing new is put on it', async (context) => {
  const { engine, place } = await patient(context);
  await engine.service.createMachine({ name: 'made', disk: place.image }, {});
  await engine.copies.clone({ machine, checkpoint: 'two', name: 'twin', full: true }, {});
  for (const name of ['made', 'twin']) {
    const { checkpoint } = await engine.service.take({ machine: name }, {});
    const folder = new MachineFolder((await machineOf(engine, name)).folder);
    const base = folder.inner((await folder.read()).definition.disks[0]?.base ?? '');
    await chmod(base, 0o600);
    await appendFile(base, 'x');
    await chmod(base, 0o400);
    const { machines } = await engine.doctor.doctor({ machine: name }, {});
    const codes = machines.flatMap(({ findings }) => findings.map(({ code }) => code));
    assert.deepEqual(codes, ['changed'], name);
    await assert.rejects(engine.service.apply({ machine: name, checkpoint: checkpoint.id }, {}), {
      code: 'ParentMismatch',
    });
  }
});

test('content that changed with the same size and time → seen by a deep look that knew it', async (context) => {
  const { found, layerOf } = await patient(context);
  const file = await layerOf('one');
  const stamp = new Date(1_700_000_000_000);
  await utimes(file, stamp, stamp);
  await found({ acceptChanged: true });
  assert.deepEqual(await found({ deep: true }), []);
  await chmod(file, 0o600);
  const handle = await open(file, 'r+');
  const { size } = await handle.stat();
  await handle.write(Buffer.from('edited behind our back'), 0, 22, size - 22);
  await handle.close();
  await chmod(file, 0o400);
  await utimes(file, stamp, stamp);
  assert.deepEqual(await found(), []);
  assert.ok((await found({ deep: true })).includes('changed'));
});

test('a layer that is missing, or cut off → the chains that need it, and no orphan is guessed at', async (context) => {
  const { found, layerOf } = await patient(context);
  const file = await layerOf('two');
  await chmod(file, 0o600);
  await truncate(file, 100);
  assert.ok((await found({ repair: true })).includes('chain'));
  await rm(file);
  const codes = await found({ repair: true });
  assert.ok(codes.includes('chain') && codes.includes('notLookedAt') && !codes.includes('+orphan'));
});

test('a broken chain names the checkpoints that do not come back whole, and those alone', async (context) => {
  const { of, engine, layerOf } = await patient(context);
  const broken = async (): Promise<string[]> => {
    const { machines } = await engine.doctor.doctor({ machine }, {});
    const ids = machines.flatMap(({ findings }) => findings.flatMap(({ breaks }) => breaks ?? []));
    return (await of.read()).checkpoints.flatMap(({ id, name }) => (ids.includes(id) ? [name] : [])).toSorted();
  };
  assert.deepEqual(await broken(), []);
  await rm(await layerOf('two'));
  const names = await broken();
  assert.ok(names.includes('two') && !names.includes('one'), names.join());
});

test('records that cannot be believed: the definition, a manifest, the journal, the policy → each told of', async (context) => {
  for (const [file, code] of [
    ['journal.json', 'journal'],
    ['policy.json', 'record'],
    ['checkpoints/6ba7b810-9dad-41d1-80b4-00c04fd430c8.json', 'record'],
    ['machine.json', 'record'],
  ] as const) {
    const { of, found } = await patient(context);
    await writeFile(of.inner(file), '{ no record');
    assert.deepEqual(await found(), [code], file);
  }
});

test('saved memory that is missing → told of', async (context) => {
  const { of, found, engine } = await patient(context);
  const [one] = (await of.read()).checkpoints;
  assert.ok(one !== undefined);
  const hypervisor = { version: '1', accelerator: 'tcg', guestArguments: [] };
  const memory = { file: 'memory/a.state', sizeBytes: 10, wasPaused: false, hypervisor };
  await of.writeCheckpoint({ ...one, memory });
  assert.deepEqual(await found(), ['memory']);
  const { machines } = await engine.doctor.doctor({ machine }, {});
  assert.deepEqual(machines[0]?.findings[0]?.breaks, [one.id]);
  await writeFile(of.inner('memory/a.state'), '0123456789');
  assert.deepEqual(await found(), []);
});

test('a missing reserve → set aside again; a hidden layer → told of, and no fault', async (context) => {
  const { of, found, engine } = await patient(context);
  await rm(of.inner('reserve'));
  assert.deepEqual(await found(), ['reserve']);
  assert.deepEqual(await found({ repair: true }), ['+reserve']);
  await engine.service.delete({ machine, checkpoint: 'one', purge: true });
  assert.deepEqual(await found(), ['hidden']);
  assert.equal((await engine.doctor.doctor({ machine }, {})).isSound, true);
});

test('a machine folder that was copied → the same id, told of; the one that is named gets a new one', async (context) => {
  const { of, engine, folder, points } = await patient(context);
  await cp(of.path, path.join(path.dirname(of.path), 'copy'), { recursive: true });
  const all = await engine.doctor.doctor({ repair: true }, {});
  assert.deepEqual(
    all.machines.map(({ findings }) => findings.map(({ code, isRepaired }) => [code, isRepaired])),
    [[['sameId', false]], [['sameId', false]]],
  );
  const named = await engine.doctor.doctor({ machine: 'copy', repair: true }, {});
  assert.equal(named.isSound, true);
  assert.deepEqual(
    await engine.doctor.doctor({}, {}).then(({ machines }) => machines.flatMap((one) => one.findings)),
    [],
  );
  assert.deepEqual(await pointsOf(engine, folder, 'copy'), points);
});
