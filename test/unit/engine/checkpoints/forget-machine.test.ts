import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, pointsOf } from './copies-lab.ts';

const machine = lab;

test('a machine on a disk that is away → off the list, its folder as it is; with the disk back it can be imported', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const disk = path.join(folder, 'disk');
  const unplugged = path.join(folder, 'unplugged');
  await mkdir(disk);
  await engine.copies.move({ machine, folder: disk }, {});
  await assert.rejects(engine.life.forgetMachine({ machine }), { code: 'InvalidArgument', message: /is there, at / });
  await rename(disk, unplugged);
  const { forgotten, folder: was } = await engine.life.forgetMachine({ machine });
  assert.deepEqual([forgotten, was], [lab, path.join(disk, lab)]);
  const next = engineOf(place.home);
  assert.deepEqual(
    (await next.service.list()).hosts.flatMap(({ machines }) => machines),
    [],
  );
  assert.ok(existsSync(path.join(unplugged, lab, 'machine.json')));
  await assert.rejects(next.life.forgetMachine({ machine }), { code: 'MachineNotFound' });
  await rename(unplugged, disk);
  await next.copies.import({ folder: was, name: lab }, {});
  assert.deepEqual(await pointsOf(next, folder), points);
});
