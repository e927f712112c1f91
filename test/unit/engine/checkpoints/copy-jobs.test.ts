// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { EngineRun } from '../../../support/faults/engine-run.ts';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { Engine } from '../../../../engine/engine.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { Jobs } from '../../../../engine/store/jobs.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { copyFolder, engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { engineFile } from '../../../support/project.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { until } from '../../../support/vscode/until.ts';
import { folderOf } from '../temporary-folder.ts';
import { copiesLab, pointsOf } from './copies-lab.ts';

const mebibyte = 1024 * 1024;
const machine = lab;

/** Params as the service gives them to a job. */
const jobs: Readonly<Record<string, { operation: string; params: (folder: string) => object }>> = {
  'a full clone of a checkpoint': {
    operation: 'clone',
    params: () => ({
      machine,
      checkpoint: 'two',
      name: 'made',
      full: true,
      id: randomUUID(),
      checkpointId: randomUUID(),
    }),
  },
  'a full clone of Now': {
    operation: 'clone',
    params: () => ({ machine, name: 'made', full: true, id: randomUUID(), checkpointId: randomUUID() }),
  },
  'the export of a machine': {
    operation: 'export',
    params: (folder) => ({
      machine,
      to: 'qcow2',
      target: { path: path.join(folder, 'out', 'exported'), token: randomUUID() },
    }),
  },
  'the export of a checkpoint': {
    operation: 'export',
    params: (folder) => ({
      machine,
      checkpoint: 'two',
      to: 'vhdx',
      target: { path: path.join(folder, 'out', 'exported'), token: randomUUID() },
    }),
  },
  'an import of one checkpoint': {
    operation: 'import',
    params: (folder) => ({ folder: path.join(folder, 'source of two'), name: 'made', id: randomUUID() }),
  },
  'an import': {
    operation: 'import',
    params: (folder) => ({ folder: path.join(folder, 'source'), name: 'made', id: randomUUID() }),
  },
};

for (const [what, { operation, params }] of Object.entries(jobs)) {
  test(`${what} is killed at any call → resumed: it is there, once; cancelled: nothing is left of it`, async (context) => {
    const { engine, folder, place, points } = await copiesLab(context);
    const home = path.join(folder, 'tried');
    await engine.copies.export({ machine, target: path.join(folder, 'source') }, {});
    await engine.copies.export(
      { machine, target: path.join(folder, 'source of two'), checkpoint: 'two', to: 'vhdx' },
      {},
    );
    const isOfTwo = what.includes('checkpoint');
    const run = async (signal: AbortSignal, given: object): Promise<object> =>
      job(engineOf(home), operation)(given, { signal, report: () => undefined });
    const never = new AbortController().signal;
    const onCopy = async (use: (given: object) => Promise<void>): Promise<void> => {
      await copyFolder(place.home, home);
      await use(params(folder));
      await rm(home, { recursive: true });
      await rm(path.join(folder, 'out'), { recursive: true, force: true });
    };
    let calls = 0;
    await onCopy(async (given) => {
      ({ calls } = await EngineRun.of(undefined, () => run(never, given)));
    });
    const random = seededRandom();
    const outcomes = { resumed: 0, cancelled: 0, 'had been done': 0 };
    for (let call = 1; call <= calls; call++) {
      await onCopy(async (given) => {
        const kind = random() < 0.5 ? 'before' : 'half';
        const died = await EngineRun.of({ call, kind }, () => run(never, given));
        if (!died.hasStruck) {
          // A call fewer than the first time: what is swept depends on the moment.
          return;
        }
        // Dead in what comes after the answer, it has answered.
        assert.notEqual(died.outcome.kind, 'failed');
        const isResumed = random() < 0.5;
        const ended = await EngineRun.of(undefined, () => run(isResumed ? never : AbortSignal.abort(), given));
        const isThere = ended.outcome.kind === 'done';
        assert.ok(isThere || !isResumed, `resumed after ${call}:${kind}: ${JSON.stringify(ended.outcome)}`);
        outcomes[isResumed ? 'resumed' : isThere ? 'had been done' : 'cancelled'] += 1;
        const after = engineOf(home);
        const names = (await after.service.list()).hosts.flatMap(({ machines }) => machines.map(({ name }) => name));
        const makesMachine = operation !== 'export';
        assert.deepEqual(names.sort(), makesMachine && isThere ? [lab, 'made'] : [lab], `after ${call}:${kind}`);
        const { unknown, missing } = await faultsOfHome(home);
        assert.deepEqual([...unknown, ...missing], [], `after ${call}:${kind}`);
        const found = await pointsOf(after, folder);
        const { 'Cloned to made': _, ...others } = found;
        assert.deepEqual(isThere ? others : found, points);
        if (makesMachine && isThere) {
          const now = (await pointsOf(after, folder, 'made'))['Now'];
          assert.equal(now, isOfTwo ? points['two'] : points['Now']);
        }
        assert.deepEqual(
          await readdir(path.join(folder, 'out')).catch(() => []),
          !makesMachine && isThere ? ['exported'] : [],
        );
      });
    }
    context.diagnostic(`${calls} calls: ${JSON.stringify(outcomes)}`);
  });
}

function job({ runnableJobs }: Engine, operation: string): NonNullable<Engine['runnableJobs'][string]> {
  const found = runnableJobs[operation];
  assert.ok(found !== undefined);
  return found;
}

test('whoever asked for a full clone is killed (kill -9) → its job goes on, and the clone is there', async (context) => {
  const folder = await folderOf(context);
  const [home, image] = [path.join(folder, 'home'), path.join(folder, 'image.qcow2')];
  await mkdir(home);
  await create(image, { format: 'qcow2', virtualSizeBytes: 192 * mebibyte });
  const disk = await openChain(image, { access: () => 'write' });
  for (let at = 0; at < 192; at++) {
    await disk.top.write(Buffer.alloc(mebibyte, 1 + at), at * mebibyte);
  }
  await disk.close();
  const engine = engineOf(home);
  await engine.service.createMachine({ name: machine, disk: image }, {});
  await engine.service.take({ machine, name: 'one' }, {});
  const args = [engineFile, 'clone', machine, 'one', 'made', '--full', '--home', home];
  const asking = spawn(process.execPath, args, { stdio: 'ignore' });
  const found = new Jobs(engine.home);
  const begun = await until('a job', async () => (await found.list()).jobs.find((one) => one.pid !== undefined), {
    timeoutMilliseconds: 60_000,
  });
  const exit = once(asking, 'exit');
  asking.kill('SIGKILL');
  await exit;
  const { job: ended } = await engine.jobs.followJob({ job: begun.id });
  assert.deepEqual([ended.operation, ended.machine?.name, ended.result?.['name']], ['clone', machine, 'made']);
  assert.equal(ended.progress?.totalBytes, 192 * mebibyte);
  const read = async (name: string): Promise<string | undefined> => (await pointsOf(engine, folder, name))['Now'];
  assert.equal(await read('made'), await read(machine));
  const { definition } = await new MachineFolder(path.join(engine.home.machines, 'made')).read();
  assert.equal(definition.disks[0]?.externalBase, undefined);
});
