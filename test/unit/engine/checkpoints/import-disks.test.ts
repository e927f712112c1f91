import assert from 'node:assert/strict';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import { readFirmware } from '../../../../engine/store/firmware-folder.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;

for (const to of ['qcow2', 'vhdx', 'vhd', 'raw', 'vmdk'] as const) {
  test(`a checkpoint exported as ${to} → imported: a machine with that checkpoint, and Now on it`, async (context) => {
    const { engine, folder, place, points } = await copiesLab(context);
    const { copies, service } = engine;
    const target = path.join(folder, 'exported');
    await copies.export({ machine, target, checkpoint: 'two', to }, {});
    const imported = (await copies.import({ folder: target, name: 'made' }, {})).machine;
    assert.deepEqual(
      imported.checkpoints.map(({ id, name }) => [id, name]),
      [[imported.now.parent, 'two']],
    );
    const expected = { two: points['two'], Now: points['two'] };
    assert.deepEqual(await pointsOf(engine, target, 'made'), expected);
    const [of, from] = await Promise.all(
      ['made', machine].map(async (one) => new MachineFolder((await machineOf(engine, one)).folder)),
    );
    assert.ok(of !== undefined && from !== undefined);
    const [{ definition, now, checkpoints }, before] = [await of.read(), await from.read()];
    const two = before.checkpoints.find(({ name }) => name === 'two');
    assert.equal(definition.disks[0]?.format, to === 'vhd' || to === 'vhdx' ? to : 'qcow2');
    assert.equal(definition.memoryMiB, before.definition.memoryMiB);
    assert.notEqual(definition.id, before.definition.id);
    assert.notEqual(definition.macAddress, before.definition.macAddress);
    const variables = await readFirmware(from, two?.firmware?.folder ?? '');
    assert.ok(variables.length > 0);
    assert.deepEqual(await readFirmware(of, now.firmware ?? ''), variables);
    assert.deepEqual(await readFirmware(of, checkpoints[0]?.firmware?.folder ?? ''), variables);
    await rm(target, { recursive: true });
    await writeToNow(imported, 50, 0, 9000);
    await service.take({ machine: 'made', name: 'next' }, {});
    await service.apply({ machine: 'made', checkpoint: 'two' }, {});
    assert.equal((await pointsOf(engine, target, 'made'))['Now'], points['two']);
    await service.delete({ machine: 'made', checkpoint: 'two', purge: true });
    assert.equal((await pointsOf(engine, target, 'made'))['Now'], points['two']);
    assert.deepEqual(await pointsOf(engine, folder), points);
    assert.deepEqual(await disorderOf(place), []);
  });
}

/** What a folder from elsewhere may do to get at other files, or to break the engine. */
const hostile: Readonly<Record<string, (folder: string, secret: string) => Promise<void>>> = {
  'an image that stands on a file elsewhere': async (folder, secret) => {
    await rm(path.join(folder, 'disk0.qcow2'));
    await create(path.join(folder, 'disk0.qcow2'), { format: 'qcow2', parent: { file: secret } });
  },
  'an image outside of the folder': (folder) => edit(folder, 'disk0.qcow2', '../secret.qcow2'),
  'an image that is a link': async (folder, secret) => {
    await rm(path.join(folder, 'disk0.qcow2'));
    await symlink(secret, path.join(folder, 'disk0.qcow2'));
  },
  'no image of a disk': (folder) => edit(folder, '"id": "disk0",\n      "file"', '"id": "disk1",\n      "file"'),
  'an image that is no image': (folder) => writeFile(path.join(folder, 'disk0.qcow2'), 'x'.repeat(100_000)),
  'another size than the image has': (folder) => edit(folder, '196608', '196096'),
  'UEFI variables that were changed': async (folder) => {
    const text = await readFile(path.join(folder, 'machine.json'), 'utf8');
    const inner = /firmware\/[0-9a-f]{8}/.exec(text)?.[0] ?? '';
    await writeFile(path.join(folder, inner, 'variables.fd'), 'other');
  },
};

for (const [what, harm] of Object.entries(hostile)) {
  test(`import of a checkpoint with ${what} → refused, and nothing is left of it`, async (context) => {
    const { engine, folder, place, points } = await copiesLab(context);
    const target = path.join(folder, 'exported');
    await engine.copies.export({ machine, target, checkpoint: 'two' }, {});
    const secret = path.join(folder, 'secret.qcow2');
    await create(secret, { format: 'qcow2', virtualSizeBytes: 192 * 1024 });
    await harm(target, secret);
    await assert.rejects(engine.copies.import({ folder: target, name: 'bad' }, {}), { name: 'CheckpointError' });
    const { hosts } = await engine.service.list();
    assert.deepEqual(
      hosts.flatMap(({ machines }) => machines.map(({ name }) => name)),
      [machine],
    );
    assert.deepEqual(await pointsOf(engine, folder), points);
    assert.deepEqual(await disorderOf(place), []);
  });
}

async function edit(folder: string, from: string, to: string): Promise<void> {
  const file = path.join(folder, 'machine.json');
  const text = await readFile(file, 'utf8');
  assert.ok(text.includes(from), text);
  await writeFile(file, text.replace(from, to));
}
