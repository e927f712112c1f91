import assert from 'node:assert/strict';
import { cp, rename } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf, pointsOf, type CopiesLab } from './copies-lab.ts';

const machine = lab;
const copy = 'a copy';
const mebibyte = 1024 * 1024;

/** The machine of the lab, and its folder once more, in the same home and before it by name. */
async function copied(context: TestContext): Promise<CopiesLab & { id: string }> {
  const made = await copiesLab(context);
  const { id, folder } = await machineOf(made.engine);
  await cp(folder, path.join(path.dirname(folder), copy), { recursive: true });
  return { ...made, id };
}

const isAmbiguous = (error: unknown): boolean => {
  assert.ok(error instanceof CheckpointError);
  assert.equal(error.code, 'AmbiguousName');
  assert.match(error.message, /“a copy” and “lab” have the same id .*ckpt doctor COPY --repair/);
  assert.deepEqual(
    Array.isArray(error.data['folders']) ? error.data['folders'].map((one) => path.basename(String(one))) : [],
    [copy, machine],
  );
  return true;
};

test('a folder that was copied by hand → its id names neither machine: nothing is done to either', async (context) => {
  const { engine, folder, points, id } = await copied(context);
  const { service, copies } = engine;
  for (const change of [
    (): Promise<unknown> => service.show({ machine: id }),
    (): Promise<unknown> => service.take({ machine: id }, {}),
    (): Promise<unknown> => service.delete({ machine: id, checkpoint: 'two', purge: true }),
    (): Promise<unknown> => service.emptyTrash({ machine: id }, {}),
    (): Promise<unknown> => service.removeMachine({ machine: id }),
    (): Promise<unknown> => copies.clone({ machine: id, checkpoint: 'one', name: 'clone', full: true }, {}),
    (): Promise<unknown> => copies.flatten({ machine: id }, {}),
    (): Promise<unknown> => copies.export({ machine: id, target: path.join(folder, 'exported') }, {}),
  ]) {
    await assert.rejects(change, isAmbiguous);
  }
  assert.deepEqual(await pointsOf(engine, folder), points);
  assert.deepEqual(await pointsOf(engine, folder, copy), points);
});

test('such a copy → both say so in the list, by their own names; repaired, neither does, and the id is clear', async (context) => {
  const { engine, id } = await copied(context);
  const listed = async (): Promise<[string, boolean][]> =>
    (await engine.service.list()).hosts.flatMap(({ machines }) =>
      machines.map(({ name, problem }): [string, boolean] => [name, /the same id/.test(problem ?? '')]),
    );
  assert.deepEqual(await listed(), [
    [copy, true],
    [machine, true],
  ]);
  await engine.doctor.doctor({ machine: copy, repair: true }, {});
  assert.deepEqual(await listed(), [
    [copy, false],
    [machine, false],
  ]);
  assert.equal((await machineOf(engine, id)).name, machine);
});

test('what would run as a job, which knows machines by their ids → refused before it begins', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const image = path.join(folder, 'large.qcow2');
  await create(image, { format: 'qcow2', virtualSizeBytes: 128 * mebibyte });
  const disk = await openChain(image, { access: () => 'write' });
  for (let at = 0; at < 128; at++) {
    await disk.top.write(Buffer.alloc(mebibyte, 1 + at), at * mebibyte);
  }
  await disk.close();
  const large = 'large';
  await engine.service.createMachine({ name: large, disk: image }, {});
  await engine.service.take({ machine: large, name: 'one' }, {});
  const { folder: of } = await machineOf(engine, large);
  await cp(of, path.join(path.dirname(of), 'large copy'), { recursive: true });
  const { copies } = engine;
  const changes: Record<string, () => Promise<unknown>> = {
    clone: () => copies.clone({ machine: large, checkpoint: 'one', name: 'clone', full: true }, {}),
    export: () => copies.export({ machine: large, target: path.join(folder, 'exported') }, {}),
  };
  for (const [what, change] of Object.entries(changes)) {
    await assert.rejects(change, { code: 'AmbiguousName' }, what);
  }
  const jobs = await engine.jobs.jobs();
  assert.deepEqual(jobs.jobs, []);
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('a folder that was renamed by hand → the machine goes by the name of the folder, which finds it', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const { folder: of } = await machineOf(engine);
  await rename(of, path.join(path.dirname(of), 'renamed'));
  const names = (await engine.service.list()).hosts.flatMap(({ machines }) => machines.map(({ name }) => name));
  assert.deepEqual(names, ['renamed']);
  assert.deepEqual(await pointsOf(engine, folder, names[0]), points);
});
