import { Trial } from '../faults/trial.ts';
import { sumOf } from '../faults/fault-totals.ts';
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { faultKinds } from '../../../support/faults/fault.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab, makeImage, writeToNow, type Place } from '../../../support/faults/stopped-lab.ts';
import { folderOf } from '../temporary-folder.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

test('flatten a machine of an added image → the image can go; every point reads as before', async (context) => {
  const folder = await folderOf(context);
  const { engine, place } = await addedMachine(folder);
  const points = await pointsOf(engine, folder, 'added');
  const { copiedBytes } = await engine.copies.flatten({ machine: 'added' }, {});
  assert.ok(copiedBytes >= 64 * 1024, `${copiedBytes} bytes copied`);
  await rm(place.image);
  assert.deepEqual(await pointsOf(engine, folder, 'added'), points);
  await engine.service.revert({ machine: 'added' }, {});
  await engine.service.take({ machine: 'added' }, {});
  assert.equal((await pointsOf(engine, folder, 'added'))['Now'], points['two']);
  assert.deepEqual(await disorderOf(place), []);
});

test('flatten what stands alone → nothing to do', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  assert.equal((await engine.copies.flatten({ machine: lab }, {})).copiedBytes, 0);
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('flatten a clone that has a clone → refused until that one is flattened', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const { copies, service } = engine;
  await copies.clone({ machine: lab, checkpoint: 'two', name: 'twin' }, {});
  await copies.clone({ machine: 'twin', name: 'grandchild' }, {});
  await assert.rejects(copies.flatten({ machine: 'twin' }, {}), { code: 'HasClones', message: /“grandchild”/ });
  await copies.flatten({ machine: 'grandchild' }, {});
  await copies.flatten({ machine: 'twin' }, {});
  await service.removeMachine({ machine: lab });
  for (const machine of ['twin', 'grandchild']) {
    assert.equal((await pointsOf(engine, folder, machine))['Now'], points['two']);
    await service.take({ machine }, {});
  }
});

test('flatten, whatever call is the last one, or fails → every point reads as before, and it works again', async (context) => {
  findQemuOnce();
  const folder = await folderOf(context);
  const { engine, place } = await addedMachine(folder);
  const ids = new Set((await machineOf(engine, 'added')).checkpoints.map(({ id }) => id));
  const trial = await Trial.of('flatten', ({ copies }) => copies.flatten({ machine: 'added' }, {}), place, ids);
  for (let call = 1; call <= trial.calls; call++) {
    for (const kind of faultKinds) {
      await trial.try({ call, kind });
    }
  }
  context.diagnostic(`${trial.calls} calls; ${sumOf(trial.singles)} faults tried`);
  assert.deepEqual(trial.findings, []);
});

async function addedMachine(folder: string): Promise<{ engine: ReturnType<typeof engineOf>; place: Place }> {
  const place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  await makeImage(place.image);
  const engine = engineOf(place.home);
  const { machine } = await engine.service.addMachine({ name: 'added', disk: place.image }, {});
  await writeToNow(machine, 2, 100_000, 4000, [folder]);
  await engine.service.take({ machine: 'added', name: 'one' }, {});
  await writeToNow(await machineOf(engine, 'added'), 3, 70_000, 4000, [folder]);
  await engine.service.take({ machine: 'added', name: 'two' }, {});
  return { engine, place };
}
