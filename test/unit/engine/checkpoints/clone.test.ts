import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { Engine } from '../../../../engine/engine.ts';
import { contentHash as fileHash } from '../../../../engine/store/frozen-layers.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;

for (const full of [false, true]) {
  test(`a ${full ? 'full' : 'linked'} clone of a checkpoint → its content, another identity; what either writes stays its own`, async (context) => {
    const { engine, place, folder, points } = await copiesLab(context);
    const { copies } = engine;
    const cloned = await copies.clone({ machine, checkpoint: 'two', name: 'twin', full }, {});
    assert.equal(cloned.machine.name, 'twin');
    assert.deepEqual(cloned.machine.checkpoints, []);
    assert.deepEqual(await pointsOf(engine, folder, 'twin'), { Now: points['two'] });
    const [source, twin] = await Promise.all(
      [machine, 'twin'].map(async (name) => new MachineFolder((await machineOf(engine, name)).folder).read()),
    );
    assert.notEqual(twin?.definition.id, source?.definition.id);
    assert.notEqual(twin?.definition.macAddress, source?.definition.macAddress);
    await writeToNow(cloned.machine, 77, 1000, 5000, [folder]);
    assert.notEqual((await pointsOf(engine, folder, 'twin'))['Now'], points['two']);
    assert.deepEqual(await pointsOf(engine, folder), points);
    assert.deepEqual(await disorderOf(place), []);
  });
}

test('a clone of Now → Now’s content, and a checkpoint that it stands on', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  await engine.copies.clone({ machine, name: 'twin' }, {});
  assert.deepEqual(await pointsOf(engine, folder, 'twin'), { Now: points['Now'] });
  assert.deepEqual(await pointsOf(engine, folder), { ...points, 'Cloned to twin': points['Now'] });
});

test('a clone of Now whose name is taken → refused, and no checkpoint is left', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  await assert.rejects(engine.copies.clone({ machine, name: 'LAB' }, {}), { code: 'NameInUse' });
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('a clone of Now that is cancelled → no clone, and no checkpoint is left', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const cancel = new AbortController();
  const cloning = engine.copies.clone(
    { machine, name: 'twin', full: true },
    { signal: cancel.signal, report: () => cancel.abort() },
  );
  await assert.rejects(cloning, { name: 'AbortError' });
  assert.deepEqual(await pointsOf(engine, folder), points);
  assert.deepEqual(await disorderOf(place), []);
});

test('every checkpoint of the source deleted for good → what the clone stands on is byte for byte the same', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const { service, copies } = engine;
  await copies.clone({ machine, checkpoint: 'two', name: 'twin' }, {});
  await copies.clone({ machine: 'twin', name: 'twin of twin' }, {});
  const layers = path.join((await machineOf(engine)).folder, 'layers');
  const chain = await filesBelow(engine, 'twin');
  const before = await Promise.all(chain.map((file) => fileHash(file)));
  await service.delete({ machine, checkpoint: 'one', subtree: true, purge: true }, {});
  assert.deepEqual(await Promise.all(chain.map((file) => fileHash(file))), before);
  assert.deepEqual(await pointsOf(engine, folder), { Now: points['Now'] });
  for (const clone of ['twin', 'twin of twin']) {
    assert.equal((await pointsOf(engine, folder, clone))['Now'], points['two']);
    await service.take({ machine: clone, name: 'verified' }, {});
  }
  assert.deepEqual(await disorderOf(place), []);
  // Without the clones all of it goes.
  await assert.rejects(service.removeMachine({ machine: 'twin' }), { code: 'HasClones' });
  await service.removeMachine({ machine: 'twin of twin' });
  await service.removeMachine({ machine: 'twin' });
  await service.emptyTrash({ machine }, {});
  assert.equal((await readdir(layers)).length, 2, 'the base and Now');
  assert.deepEqual(await pointsOf(engine, folder), { Now: points['Now'] });
});

test('undo of what a clone stands on → the clone keeps its content: Now does not write there', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const { service, copies } = engine;
  const kept = 'Before applying “one”';
  await copies.clone({ machine, checkpoint: kept, name: 'twin' }, {});
  await service.undo({ machine }, {});
  await writeToNow(await machineOf(engine), 99, 3000, 4000);
  assert.equal((await pointsOf(engine, folder, 'twin'))['Now'], points[kept]);
  await service.take({ machine: 'twin' }, {});
});

test('removing a machine that a clone stands on → refused, naming it; after flatten → removed, and the clone is whole', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const { service, copies } = engine;
  await copies.clone({ machine, checkpoint: 'three', name: 'twin' }, {});
  await assert.rejects(service.removeMachine({ machine }), { code: 'HasClones', message: /“twin”.*flatten/s });
  await copies.flatten({ machine: 'twin' }, {});
  await service.removeMachine({ machine });
  assert.deepEqual(await pointsOf(engine, folder, 'twin'), { Now: points['three'] });
  await service.take({ machine: 'twin' }, {});
  assert.deepEqual(await disorderOf(place), []);
});

async function filesBelow(engine: Engine, name: string): Promise<string[]> {
  const { definition } = await new MachineFolder((await machineOf(engine, name)).folder).read();
  const base = definition.disks[0]?.externalBase?.path ?? '';
  const chain = await openChain(base);
  await chain.close();
  return chain.layers.map((layer) => layer.file.path);
}
