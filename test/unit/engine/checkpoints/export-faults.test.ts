// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { EngineRun } from '../../../support/faults/engine-run.ts';
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { Engine } from '../../../../engine/engine.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { faultKinds } from '../../../support/faults/fault.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { copyFolder, engineOf, lab as machine, makeLab, type Place } from '../../../support/faults/stopped-lab.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { disorderOf, pointsOf } from './copies-lab.ts';

const isComplete = process.env['CKPT_FAULTS'] === 'all';

/** Who comes next: each of them takes away what the dead one left. */
const next: Readonly<Record<string, (engine: Engine, target: string) => Promise<unknown>>> = {
  list: ({ service }) => service.list(),
  show: ({ service }) => service.show({ machine }),
  doctor: async ({ doctor }) => {
    const { isSound } = await doctor.doctor({ machine, repair: true }, {});
    assert.ok(isSound);
  },
  'an export elsewhere': async ({ copies }, target) => {
    const other = `${target} elsewhere`;
    await copies.export({ machine, target: other, checkpoint: 'two' }, {});
    await rm(other, { recursive: true });
  },
};

describe('an export that is killed, or fails, at any call', () => {
  const folder = folderOfSuite();
  const model: Place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  const tried: Place = { ...model, home: path.join(folder, 'tried') };
  const outside = path.join(folder, 'outside');
  const target = path.join(outside, 'exported');
  let points: Record<string, string> = {};

  before(async () => {
    findQemuOnce();
    await makeLab(model);
    points = await pointsOf(engineOf(model.home), folder);
  });

  for (const [what, given] of Object.entries({
    'a machine': { machine, target },
    'a checkpoint': { machine, target, checkpoint: 'two' },
  })) {
    it(`${what} → it is there whole, or nothing is: neither beside its place nor in the machine`, async (context) => {
      await mkdir(outside);
      await copyFolder(model.home, tried.home);
      const whole = await EngineRun.of(undefined, () => engineOf(tried.home).copies.export(given, {}));
      assert.equal(whole.outcome.kind, 'done');
      const files = await sizesIn(target);
      let [tries, left] = [0, 0];
      for (let call = 1; call <= whole.calls; call++) {
        for (const kind of faultKinds.filter((one) => isComplete || (call + one.length) % 7 === 0)) {
          await rm(outside, { recursive: true });
          await mkdir(outside);
          await rm(tried.home, { recursive: true });
          await copyFolder(model.home, tried.home);
          const { outcome } = await EngineRun.of({ call, kind }, () => engineOf(tried.home).copies.export(given, {}));
          const at = `${call}:${kind}, ${outcome.kind}`;
          tries += 1;
          left += (await readdir(outside)).some((name) => name.endsWith('.partial')) ? 1 : 0;
          const [who = '', act] = Object.entries(next)[tries % Object.keys(next).length] ?? [];
          await act?.(engineOf(tried.home), target);
          const found = await readdir(outside);
          if (found.length > 0 || outcome.kind === 'done') {
            assert.deepEqual(found, ['exported'], `${at}, then ${who}`);
            assert.deepEqual(await sizesIn(target), files, at);
          }
          assert.ok(outcome.kind !== 'failed' || found.length === 0, `${at}: but it has happened`);
          assert.deepEqual(await disorderOf(tried), [], `${at}, then ${who}`);
          assert.deepEqual(await pointsOf(engineOf(tried.home), folder), points, at);
        }
      }
      context.diagnostic(`${whole.calls} calls; ${tries} faults tried; ${left} left something beside the place`);
      assert.ok(left > 0);
      await rm(outside, { recursive: true });
      await rm(tried.home, { recursive: true });
    });
  }

  it('a journal that names another folder → it is not believed, and nothing is removed', async () => {
    await copyFolder(model.home, tried.home);
    const precious = path.join(folder, 'precious');
    await mkdir(precious);
    const machineFolder = new MachineFolder(path.join(tried.home, 'machines', machine));
    const { now } = await machineFolder.read();
    const journal = {
      version: 1,
      operation: 'export',
      started: new Date().toISOString(),
      after: now,
      reusesLayers: false,
      wasRunning: false,
      runsAfterwards: false,
      releasedLayers: [],
    };
    for (const partialFolder of [
      precious,
      `${precious}/../precious`,
      'precious',
      `${precious}/.x.12345678.partial/..`,
    ]) {
      await writeFile(machineFolder.inner('journal.json'), JSON.stringify({ ...journal, partialFolder }));
      await assert.rejects(engineOf(tried.home).service.take({ machine, name: 'new' }, {}), { code: 'MachineDamaged' });
      assert.ok((await stat(precious)).isDirectory());
    }
  });
});

/** Sizes of all files, by path; layers have names of their own, which a copy keeps. */
async function sizesIn(place: string): Promise<Record<string, number>> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const sized = await Promise.all(
    files.map(async (file): Promise<[string, number]> => [path.relative(place, file), (await stat(file)).size]),
  );
  return Object.fromEntries(sized.sort(([a], [b]) => (a < b ? -1 : 1)));
}
