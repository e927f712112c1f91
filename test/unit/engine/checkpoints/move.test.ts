// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { EngineRun } from '../../../support/faults/engine-run.ts';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import type { Engine } from '../../../../engine/engine.ts';
import { copyFolder, engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { systemErrors, type FaultKind } from '../../../support/faults/fault.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;
/** A volume of its own, on Linux. */
const otherVolume = '/dev/shm';

async function folderElsewhere(context: TestContext, folder: string): Promise<string | undefined> {
  const there = await stat(otherVolume).catch(() => undefined);
  if (there === undefined || there.dev === (await stat(folder)).dev) {
    return undefined;
  }
  const made = await mkdtemp(path.join(otherVolume, 'ckpt-move-'));
  context.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function names({ service }: Engine): Promise<string[]> {
  return (await service.list()).hosts.flatMap(({ machines }) => machines.map((one) => `${one.name} ${one.state}`));
}

/** Who died is this process, which lives: a lock that went along with its folder still names it. */
async function forgetHolders(places: readonly string[]): Promise<void> {
  for (const lock of places.map((place) => path.join(place, lab, 'lock')).filter((file) => existsSync(file))) {
    await truncate(lock);
  }
}

for (const volume of ['the same', 'another'] as const) {
  test(`moved on ${volume} volume → all of it is there and works, by the same name; and back`, async (context) => {
    const { engine, place, folder, points } = await copiesLab(context);
    const target = volume === 'the same' ? path.join(folder, 'disk') : await folderElsewhere(context, folder);
    if (target === undefined) {
      context.skip('no other volume here');
      return;
    }
    await mkdir(target, { recursive: true });
    const { id } = await machineOf(engine);
    const moved = await engine.copies.move({ machine, folder: target }, {});
    assert.equal(moved.machine.folder, path.join(target, lab));
    assert.equal(moved.machine.id, id);
    assert.equal(moved.copiedBytes > 0, volume === 'another');
    const next = engineOf(place.home);
    assert.deepEqual(await names(next), ['lab stopped']);
    assert.deepEqual(await pointsOf(next, folder), points);
    assert.deepEqual(await disorderOf(place), []);
    assert.deepEqual(await readdir(target), [lab]);
    assert.ok((await next.doctor.doctor({}, {})).isSound);
    await next.service.take({ machine, name: 'there' }, {});
    await assert.rejects(
      next.service.createMachine({ name: lab, disk: place.image }, {}),
      (error: { code?: unknown }) => error.code === 'NameInUse',
    );
    await assert.rejects(
      next.copies.move({ machine, folder: target }, {}),
      (error: { code?: unknown }) => error.code === 'InvalidArgument',
    );
    await next.copies.move({ machine: id }, {});
    assert.equal((await machineOf(engineOf(place.home))).folder, path.join(place.home, 'machines', lab));
    assert.deepEqual(await readdir(target), []);
    assert.deepEqual(await disorderOf(place), []);
    const { there: _, ...found } = await pointsOf(next, folder);
    assert.deepEqual(found, points);
  });

  test(`moved on ${volume} volume, each call the last one or an error → it lies at one place, whole`, async (context) => {
    const { place, folder, points } = await copiesLab(context);
    const other = volume === 'the same' ? path.join(folder, 'disk') : await folderElsewhere(context, folder);
    if (other === undefined) {
      context.skip('no other volume here');
      return;
    }
    const random = seededRandom();
    const model = path.join(folder, 'model');
    const tried = path.join(folder, 'tried');
    for (const way of ['out', 'on', 'back'] as const) {
      const target = path.join(other, 'target');
      const first = path.join(other, 'first');
      const modelOfFirst = path.join(folder, 'model of first');
      await rm(model, { recursive: true, force: true });
      await rm(modelOfFirst, { recursive: true, force: true });
      await copyFolder(place.home, model);
      const prepare = async (): Promise<void> => {
        for (const one of [tried, first, target]) {
          await rm(one, { recursive: true, force: true });
        }
        await mkdir(target, { recursive: true });
        await mkdir(first, { recursive: true });
        await copyFolder(model, tried);
        if (way !== 'out') {
          await engineOf(tried).copies.move({ machine, folder: first }, {});
        }
      };
      const to = way === 'back' ? path.join(tried, 'machines') : target;
      const token = randomUUID();
      const move = (signal?: AbortSignal): Promise<object> => {
        const job = engineOf(tried).runnableJobs['move'];
        assert.ok(job !== undefined);
        return job(
          { machine, place: to, token },
          { signal: signal ?? new AbortController().signal, report: () => undefined },
        );
      };
      await prepare();
      const { calls, outcome } = await EngineRun.of(undefined, () => move());
      assert.equal(outcome.kind, 'done', JSON.stringify(outcome));
      let faults = 0;
      const kinds: FaultKind[] = ['before', 'half', 'after', ...systemErrors, 'full'];
      const tries = process.env['CKPT_FAULTS'] === 'all' ? calls : Math.min(calls, 8);
      for (let index = 1; index <= tries; index++) {
        const call = tries === calls ? index : 1 + Math.floor(random() * calls);
        for (const kind of [kinds[Math.floor(random() * 3)], kinds[3 + Math.floor(random() * (kinds.length - 3))]]) {
          if (kind === undefined) {
            continue;
          }
          await prepare();
          const run = await EngineRun.of({ call, kind }, () => move());
          if (!run.hasStruck) {
            continue;
          }
          faults += 1;
          const what = `${way} after ${call}:${kind}: ${JSON.stringify(run.outcome)}`;
          await forgetHolders([path.join(tried, 'machines'), target, first]);
          const again = random() < 0.3 ? { call: 1 + Math.floor(random() * 6), kind: 'before' as const } : undefined;
          await EngineRun.of(again, () => engineOf(tried).service.list());
          await forgetHolders([path.join(tried, 'machines'), target, first]);
          const ending = random();
          if (ending < 0.3) {
            const resumed = await EngineRun.of(undefined, () => move());
            assert.equal(resumed.outcome.kind, 'done', what);
          } else if (ending < 0.5) {
            await EngineRun.of(undefined, () => move(AbortSignal.abort()));
          }
          const engine = engineOf(tried);
          assert.deepEqual(await names(engine), ['lab stopped'], what);
          assert.deepEqual(await pointsOf(engine, folder), points, what);
          const { folder: lies } = await machineOf(engine);
          const before = way === 'out' ? path.join(tried, 'machines', lab) : path.join(first, lab);
          const after = path.join(to, lab);
          assert.ok([before, after].includes(lies), what);
          if (run.outcome.kind === 'done' || ending < 0.3) {
            assert.equal(lies, after, what);
          } else if (run.outcome.kind === 'failed') {
            assert.equal(lies, before, what);
          }
          assert.ok(!existsSync(lies === before ? after : before), what);
          const left = [...(await readdir(target)), ...(await readdir(first))];
          assert.deepEqual(left, lies.startsWith(other) ? [lab] : [], what);
          const { unknown, missing } = await faultsOfHome(tried);
          assert.deepEqual([...unknown, ...missing], [], what);
        }
      }
      context.diagnostic(`${way}: ${calls} calls, ${faults} faults tried`);
    }
  });
}

test('its disk is not connected → listed as not reachable, not lost; connected again, it works', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const disk = path.join(folder, 'disk');
  await mkdir(disk);
  await engine.copies.move({ machine, folder: disk }, {});
  await rename(disk, path.join(folder, 'unplugged'));
  const next = engineOf(place.home);
  const [shown] = (await next.service.list()).hosts.flatMap(({ machines }) => machines);
  assert.equal(shown?.name, lab);
  assert.equal(shown.state, 'unreachable');
  assert.match(shown.problem ?? '', /is not reachable at .*disk/);
  for (const change of [
    () => next.service.take({ machine, name: 'x' }, {}),
    () => next.service.removeMachine({ machine }),
    () => next.copies.move({ machine }, {}),
  ]) {
    await assert.rejects(change, (error: { code?: unknown }) => error.code === 'MachineNotReachable');
  }
  for (const repair of [false, true]) {
    const { machines } = await next.doctor.doctor({ machine, ...(repair ? { repair } : {}) }, {});
    const findings = machines.flatMap((one) => one.findings);
    assert.equal(findings.length, 1);
    assert.match(findings[0]?.message ?? '', /is not reachable at .*nothing of it is lost/);
  }
  assert.equal(existsSync(disk), false);
  await rename(path.join(folder, 'unplugged'), disk);
  assert.deepEqual(await names(engineOf(place.home)), ['lab stopped']);
  assert.deepEqual(await pointsOf(next, folder), points);
  await next.service.take({ machine, name: 'x' }, {});
});

test('what a clone stands on does not move; the clone does, and a removed machine leaves nothing', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const disk = path.join(folder, 'disk');
  await mkdir(disk);
  await engine.copies.clone({ machine, checkpoint: 'two', name: 'linked' }, {});
  await assert.rejects(
    engine.copies.move({ machine, folder: disk }, {}),
    (error: { code?: unknown; message: string }) => {
      assert.match(error.message, /ckpt flatten/);
      return error.code === 'HasClones';
    },
  );
  await engine.copies.move({ machine: 'linked', folder: disk }, {});
  assert.equal((await pointsOf(engine, folder, 'linked'))['Now'], points['two']);
  await assert.rejects(
    engine.service.removeMachine({ machine }),
    (error: { code?: unknown }) => error.code === 'HasClones',
  );
  await engine.service.take({ machine: 'linked', name: 'mine' }, {});
  await engine.service.removeMachine({ machine: 'linked' });
  assert.deepEqual(await readdir(disk), []);
  assert.deepEqual(await names(engineOf(place.home)), ['lab stopped']);
  assert.deepEqual(await disorderOf(place), []);
});

test('removal of a moved machine, each call the last one or an error → there, or gone; nothing left', async (context) => {
  const { engine, place, folder } = await copiesLab(context);
  const disk = path.join(folder, 'disk');
  const [home, kept] = [path.join(folder, 'model'), path.join(folder, 'kept')];
  await mkdir(disk);
  await engine.copies.move({ machine, folder: disk }, {});
  await copyFolder(place.home, home);
  await copyFolder(disk, kept);
  const prepare = async (): Promise<void> => {
    await rm(place.home, { recursive: true });
    await rm(disk, { recursive: true });
    await copyFolder(home, place.home);
    await copyFolder(kept, disk);
  };
  const random = seededRandom();
  const remove = (): Promise<object> => engineOf(place.home).service.removeMachine({ machine });
  const { calls } = await EngineRun.of(undefined, remove);
  const kinds: FaultKind[] = ['before', 'half', 'after', ...systemErrors, 'full'];
  for (let call = 1; call <= calls; call++) {
    const some = process.env['CKPT_FAULTS'] === 'all' ? kinds : kinds.filter(() => random() < 0.3);
    for (const kind of some) {
      await prepare();
      const { outcome } = await EngineRun.of({ call, kind }, remove);
      const what = `after ${call}:${kind}: ${JSON.stringify(outcome)}`;
      const there = await names(engineOf(place.home));
      assert.ok(there.length === 0 || outcome.kind !== 'done', what);
      assert.ok(there.length === 0 || there[0] === 'lab stopped', `${what}: ${there.join()}`);
      assert.deepEqual(await readdir(disk), there.length === 0 ? [] : [lab], what);
      assert.deepEqual(await disorderOf(place), [], what);
    }
  }
  context.diagnostic(`${calls} calls`);
});

test('the plan of a move → what will be done, and nothing is done', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const { folder: from } = await machineOf(engine);
  const plan = async (target: string): Promise<unknown> =>
    (await engine.plans.plan({ operation: 'move', params: { machine, folder: target } })).steps;
  assert.deepEqual(await plan(folder), [{ kind: 'rename', from, to: path.join(folder, lab) }]);
  const other = await folderElsewhere(context, folder);
  if (other !== undefined) {
    const [copy, removal] = z.array(z.looseObject({ kind: z.string() })).parse(await plan(other));
    assert.deepEqual([copy?.['from'], copy?.['to'], removal?.['path']], [from, path.join(other, lab), from]);
  }
  await mkdir(path.join(folder, lab));
  for (const [target, code] of [
    [folder, 'NameInUse'],
    [path.join(folder, 'nowhere'), 'InvalidArgument'],
    [from, 'InvalidArgument'],
    [path.dirname(from), 'InvalidArgument'],
  ] as const) {
    await assert.rejects(plan(target), (error: { code?: unknown }) => error.code === code, target);
    await assert.rejects(
      engine.copies.move({ machine, folder: target }, {}),
      (error: { code?: unknown }) => error.code === code,
      target,
    );
  }
  assert.equal((await machineOf(engine)).folder, from);
});
