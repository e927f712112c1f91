import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import type { DoctorOperations, Finding } from '../../../../engine/protocol/doctor.ts';
import { tryFileLock } from '../../../../engine/store/file-lock.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { diskBytes, engineOf, lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { homeContent } from '../home-content.ts';
import { copiesLab, machineOf, pointsOf, type CopiesLab } from './copies-lab.ts';
import { requireTranslatable } from './told-findings.ts';

type Options = DoctorOperations['doctor']['params'];
const machine = lab;

interface Patient extends CopiesLab {
  of: MachineFolder;
  look: (options?: Options) => Promise<Finding[]>;
  /** Codes; those of what was repaired begin with +. */
  found: (options?: Options) => Promise<string[]>;
  layerOf: (checkpoint: string) => Promise<string>;
}

async function patient(context: TestContext): Promise<Patient> {
  const made = await copiesLab(context);
  const of = new MachineFolder((await machineOf(made.engine)).folder);
  const look = async (options: Options = { machine }): Promise<Finding[]> => {
    const { machines, home } = await made.engine.doctor.doctor(options, {});
    const findings = [...machines.flatMap((one) => one.findings), ...home];
    requireTranslatable(findings);
    return findings;
  };
  return {
    ...made,
    of,
    look,
    found: async (options) => (await look(options)).map((one) => `${one.isRepaired ? '+' : ''}${one.code}`),
    layerOf: async (name) => {
      const layer = (await of.read()).checkpoints.find((one) => one.name === name)?.layers['disk0'];
      return of.inner(layer ?? '');
    },
  };
}

test('a look changes nothing, whatever is wrong', async (context) => {
  const { of, found, place, layerOf } = await patient(context);
  await chmod(await layerOf('one'), 0o600);
  await writeFile(of.inner('now.json.0123abcd.new'), 'half');
  await writeFile(of.inner('layers/disk0-00000000.qcow2'), 'nobody knows it');
  await writeFile(of.inner('frozen.json'), 'no record');
  await rm(of.inner('reserve'));
  await mkdir(path.join(place.home, 'machines', '.removed-abcdef'));
  await utimes(path.join(place.home, 'machines', '.removed-abcdef'), 0, 0);
  const before = await homeContent(place.home);
  const codes = await found({});
  assert.deepEqual(codes.toSorted(), ['frozenRecord', 'leftover', 'leftover', 'orphan', 'reserve', 'writable']);
  assert.deepEqual(await homeContent(place.home), before);
  assert.ok((await found({ repair: true })).every((code) => code.startsWith('+')));
  assert.deepEqual(await found({}), []);
});

test('a record of frozen layers that cannot be believed → told of; repaired, a change is noticed again', async (context) => {
  const { of, found, place, layerOf } = await patient(context);
  await writeFile(of.inner('frozen.json'), '{');
  assert.deepEqual(await found(), ['frozenRecord']);
  assert.deepEqual(await found({ machine, repair: true }), ['+frozenRecord']);
  assert.deepEqual(await found(), []);
  const kept = await readdir(path.join(place.home, 'lost+found'), { recursive: true });
  assert.ok(kept.some((file) => file.endsWith('frozen.json')));
  await utimes(await layerOf('one'), 1, 1);
  assert.deepEqual(await found(), ['changed']);
});

test('half a record, a folder of a machine that never was → they go with repair, and with the next list', async (context) => {
  const { of, found, place, engine } = await patient(context);
  const staging = path.join(place.home, 'machines', '.new-abcdef');
  const leave = async (): Promise<void> => {
    await mkdir(path.join(staging, 'layers'), { recursive: true });
    await writeFile(path.join(staging, 'lock'), '');
    await writeFile(of.inner('checkpoints/ab.json.0123abcd.new'), 'half');
    await writeFile(of.inner('machine.json.0123abcd.new'), 'half');
  };
  await leave();
  assert.deepEqual(await found({}), ['leftover', 'leftover', 'leftover']);
  assert.deepEqual(await found({ repair: true }), ['+leftover', '+leftover', '+leftover']);
  await leave();
  await engine.service.list();
  assert.deepEqual(await found({}), []);
});

test('an interrupted operation → told of and left alone; repaired, it is ended', async (context) => {
  const { of, look, found, place, engine, points, folder } = await patient(context);
  const { now } = await of.read();
  await of.writeJournal({
    operation: 'take',
    started: new Date().toISOString(),
    checkpoint: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
    after: { ...now, activeLayers: { disk0: 'layers/disk0-0badcafe.qcow2' } },
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
  });
  const before = await homeContent(place.home);
  const [finding] = await look();
  assert.match(finding?.message ?? '', /take.*interrupted/);
  assert.deepEqual(finding?.remedies, [{ does: 'repair', effect: 'ended' }]);
  assert.deepEqual(await homeContent(place.home), before);
  assert.deepEqual(await found({ machine, repair: true }), ['+journal']);
  assert.deepEqual(await found(), []);
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('a machine that another engine works on → told of, with who it is, soon, and not touched', async (context) => {
  const { of, look, place } = await patient(context);
  const attempt = await tryFileLock(of.lock, { operation: 'merge', face: 'another engine' });
  assert.ok('lock' in attempt);
  const before = await homeContent(place.home);
  for (const options of [{ machine }, { machine, repair: true }, { machine, deep: true }]) {
    const started = performance.now();
    const [finding, ...others] = await look(options);
    assert.deepEqual([finding?.code, finding?.severity, others], ['notLookedAt', 'info', []]);
    assert.match(finding?.message ?? '', /another engine .*merge/);
    assert.ok(performance.now() - started < 10_000);
  }
  assert.deepEqual(await homeContent(place.home), before);
  await attempt.lock.release();
  assert.deepEqual(await look(), []);
});

test('a manifest that is lost → its layer is a checkpoint again, with what its disks held; what hung from it does again', async (context) => {
  const { of, look, found, engine, points, folder } = await patient(context);
  for (const name of ['one', 'three']) {
    const before = (await of.read()).checkpoints;
    const lost = before.find((one) => one.name === name);
    await rm(of.inner(`checkpoints/${lost?.id}.json`));
    await assert.rejects(engine.service.take({ machine, name: 'new' }, {}), { code: 'MachineDamaged' });
    const [finding] = await look();
    assert.deepEqual([finding?.code, finding?.remedies], ['record', [{ does: 'repair', effect: 'rescued' }]]);
    const repairs = await look({ machine, repair: true });
    assert.deepEqual(
      repairs.filter(({ isRepaired }) => !isRepaired),
      [],
    );
    assert.deepEqual(await found(), []);
    const after = (await of.read()).checkpoints;
    assert.deepEqual(
      after.map(({ id, parent }) => [id, parent]).sort(),
      before.map(({ id, parent }) => [id, parent]).sort(),
    );
    const recovered = after.find(({ id }) => id === lost?.id)?.name ?? '';
    assert.match(recovered, /^Recovered /);
    assert.equal((await pointsOf(engine, folder))[recovered], points[name]);
  }
  const { Now, two } = await pointsOf(engine, folder);
  assert.deepEqual([Now, two], [points['Now'], points['two']]);
});

test('every record that is missing or wrong is told of at once, with what comes of it', async (context) => {
  const { of, look } = await patient(context);
  const { checkpoints } = await of.read();
  const id = (name: string): string => checkpoints.find((one) => one.name === name)?.id ?? '';
  await rm(of.inner(`checkpoints/${id('one')}.json`));
  await writeFile(of.inner(`checkpoints/${id('three')}.json`), '{}');
  await writeFile(of.inner('policy.json'), '{}');
  const findings = await look();
  for (const file of [`checkpoints/${id('one')}.json`, `checkpoints/${id('three')}.json`, 'policy.json']) {
    assert.ok(
      findings.some((one) => one.code === 'record' && one.path === of.inner(file)),
      file,
    );
  }
  assert.ok(findings.every(({ severity }) => severity === 'error'));
});

test('a layer that was never on record is, after a deep look: a change of its content is told of by the next', async (context) => {
  const { of, found } = await patient(context);
  const base = of.inner((await of.read()).definition.disks[0]?.base ?? '');
  assert.deepEqual(await found({ machine, deep: true }), []);
  await changeUnseen(base);
  assert.deepEqual(await found(), []);
  assert.ok((await found({ machine, deep: true })).includes('changed'));
});

test('a touched layer whose content a deep look knew → accepted with repair alone', async (context) => {
  const { found, layerOf, engine } = await patient(context);
  await found({ machine, deep: true });
  await utimes(await layerOf('one'), 1, 1);
  await assert.rejects(engine.service.apply({ machine, checkpoint: 'two' }, {}), { code: 'ParentMismatch' });
  assert.deepEqual(await found({ machine, repair: true }), ['changed']);
  assert.deepEqual(await found({ machine, repair: true, deep: true }), ['+changed']);
  assert.deepEqual(await found(), []);
  await engine.service.apply({ machine, checkpoint: 'two' }, {});
});

test('a disk outside: touched, replaced by a copy, changed → told of once; accepted by its content, or on the user’s word', async (context) => {
  const { engine, place, folder, look, found } = await patient(context);
  await engine.service.addMachine({ name: 'added', disk: place.image }, {});
  await engine.service.take({ machine: 'added', name: 'first' }, {});
  const added = { machine: 'added' };
  assert.deepEqual(await found({ ...added, deep: true }), []);
  const before = await pointsOf(engine, folder, 'added');
  const copy = `${place.image}.copy`;
  await copyFile(place.image, copy);
  await rename(copy, place.image);
  const [told] = (await look(added)).filter(({ severity }) => severity !== 'info');
  assert.equal(told?.code, 'changed');
  assert.match(told.message, /changed after it was added.*“added” stands on it/s);
  assert.deepEqual(told.remedies, [{ does: 'acceptChanged', machine: 'added' }]);
  assert.ok(!(await found({ ...added, repair: true })).includes('+changed'), 'not on the time alone');
  assert.ok((await found({ ...added, repair: true, deep: true })).includes('+changed'));
  assert.deepEqual(await found(added), []);
  assert.deepEqual(await pointsOf(engine, folder, 'added'), before);
  await changeUnseen(place.image);
  await utimes(place.image, 2, 2);
  assert.ok(!(await found({ ...added, repair: true, deep: true })).includes('+changed'), 'not with other content');
  await assert.rejects(engine.service.take(added, {}), { code: 'ParentMismatch' });
  assert.ok((await found({ ...added, acceptChanged: true })).includes('+changed'));
  await engine.service.apply({ ...added, checkpoint: 'first' }, {});
});

test('beside the disk of another program: a layer of ours goes to lost+found, a file of the user’s stays', async (context) => {
  const { engine, folder, found, look, place } = await patient(context);
  const disk = path.join(folder, 'vm.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: diskBytes });
  await engine.service.addMachine({ name: 'placed', host: 'disks', disk }, {});
  await writeToNow(await machineOf(engine, 'placed'), 3, 0, 4096);
  await engine.service.take({ machine: 'placed', name: 'first' }, {});
  const placed = { machine: 'placed' };
  assert.deepEqual(await found(placed), []);
  const dated = path.join(folder, 'vm-20260101.qcow2');
  await copyFile(disk, dated);
  assert.deepEqual(await found({ ...placed, repair: true }), ['orphan']);
  await stat(dated);
  await rm(dated);
  const of = new MachineFolder((await machineOf(engine, 'placed')).folder);
  const { layers } = await of.readFrozen();
  const known = Object.values(layers)[0];
  assert.ok(known !== undefined);
  await of.writeFrozen({ ...layers, 'vm-0badcafe.qcow2': known });
  await writeFile(path.join(folder, 'vm-0badcafe.qcow2'), 'left');
  assert.deepEqual(await found({ ...placed, repair: true }), ['+orphan']);
  assert.deepEqual(await look({}), []);
  assert.equal((await readdir(path.join(place.home, 'lost+found'))).length, 1);
});

test('a doctor in a loop while another engine works → never a false alarm, and nobody waits for it', async (context) => {
  const { engine, place, look } = await patient(context);
  const other = engineOf(place.home);
  let isWorking = true;
  let looks = 0;
  let unhindered = 0;
  const doctor = async (): Promise<void> => {
    while (isWorking) {
      for (const finding of await look({})) {
        assert.equal(finding.severity, 'info', JSON.stringify(finding));
        assert.match(finding.code, /^(?:notLookedAt|hidden)$/);
        unhindered += finding.code === 'hidden' ? 1 : 0;
      }
      looks += 1;
      await delay(5);
    }
  };
  const work = async (): Promise<void> => {
    for (let round = 0; round < 12; round++) {
      const { checkpoint } = await other.service.take({ machine, name: `round ${round}` }, {});
      await writeToNow(await machineOf(other), round + 3, 30_000, 5000);
      await other.service.apply({ machine, checkpoint: 'two' }, {});
      await other.service.undo({ machine }, {});
      await other.service.delete({ machine, checkpoint: checkpoint.id, purge: round % 2 === 0 });
      // Every now and then nobody works on it.
      await delay(40);
    }
  };
  await Promise.all([
    work().finally(() => {
      isWorking = false;
    }),
    doctor(),
  ]);
  context.diagnostic(`${looks} looks, ${unhindered} of them at hidden layers`);
  assert.deepEqual(
    (await look({})).filter(({ severity }) => severity !== 'info'),
    [],
  );
  assert.ok((await engine.service.show({ machine })).machine.checkpoints.length > 0);
});

/** Other content, with the size and the time that it had. */
async function changeUnseen(file: string): Promise<void> {
  const { mode, size, mtimeMs } = await stat(file);
  await chmod(file, 0o600);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from('edited'), 0, 6, size - 6);
  await handle.close();
  await chmod(file, mode & 0o777);
  await utimes(file, mtimeMs / 1000, mtimeMs / 1000);
}
