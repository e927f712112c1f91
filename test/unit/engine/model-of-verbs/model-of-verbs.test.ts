import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { createEngine, type Engine } from '../../../../engine/engine.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { Home } from '../../../../engine/store/home.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { allAtOnce } from './at-once.ts';
import { chooseDeed, codeOf, pick, type Bench } from './random-verbs.ts';
import { requireSameClones, requireSameContents, requireSameTree } from './same-as-model.ts';
import { TreeModel } from './tree-model.ts';

const steps = Number(process.env['CKPT_MODEL_STEPS'] ?? 250);
const diskBytes = 192 * 1024;
/** More make every step slower, and no step different. */
const mostPoints = 12;

interface Kind {
  host: HostId;
  format: DiskFormat;
  /** What lies below the disk that the machine is made of. */
  on?: 'raw';
}

/** What the machine is made of. More is a new line. */
const kinds: readonly Kind[] = [
  { host: 'qemu', format: 'qcow2' },
  { host: 'disks', format: 'qcow2' },
  { host: 'disks', format: 'vhdx' },
  { host: 'disks', format: 'vhd' },
  { host: 'disks', format: 'qcow2', on: 'raw' },
];

describe('random programs of verbs on a stopped machine', () => {
  const folder = folderOfSuite();
  findQemuOnce();
  for (const kind of kinds) {
    const { host, format, on } = kind;
    const what = `${host}, ${format}${on === undefined ? '' : ` on ${on}`}`;
    it(`${what}: ${steps} steps → every checkpoint and Now hold what a plain model holds, also with three engines at once`, async (context) => {
      const random = seededRandom();
      const place = path.join(folder, what);
      const home = path.join(place, 'home');
      await mkdir(place);
      const content = await makeMachine(place, home, kind);
      let model = new TreeModel(content);
      let engines = enginesOf(home);
      const done: string[] = [];
      let [together, refusals] = [0, 0];
      for (let step = 1; step <= steps; step++) {
        if (random() < 0.1) {
          engines = enginesOf(home);
        }
        const [first, second] = engines;
        const bench: Bench = { model, random, step, host, folder: place };
        try {
          if (model.points.size > mostPoints) {
            const doomed = pick([...model.points.keys()], random) ?? '';
            await second.service.delete({ machine: lab, checkpoint: doomed, purge: random() < 0.5 });
            model.purge([doomed]);
            await second.service.emptyTrash({ machine: lab }, {});
            model.trash.clear();
          }
          if (random() < 0.15) {
            const ended = await allAtOnce(bench, engines, 2);
            ({ model } = ended);
            done.push(ended.told);
            together += 2 * engines.length;
            refusals += ended.refusals;
          } else {
            done.push(await carryOut(bench, first));
            await requireSameTree(second, model, place);
          }
          const one = pick([...model.points.keys(), ...model.trash.keys()], random);
          const isThorough = step % 20 === 0 || step === steps;
          await requireSameContents(second, model, place, (id) => isThorough || id === one);
          if (isThorough) {
            await requireSameClones(second, model, place);
            assert.deepEqual(await faultsOfHome(home), { unknown: [], missing: [] });
          }
        } catch (error) {
          throw new Error(`step ${step}, after: ${done.slice(-6).join('; ')}: ${String(error)}`, { cause: error });
        }
      }
      context.diagnostic(
        `${steps} steps, ${together} verbs at once with others, ${refusals} refusals of a locked machine, ${model.points.size} checkpoints at the end`,
      );
    });
  }
});

function enginesOf(home: string): [Engine, Engine, Engine] {
  const engine = (at: number): Engine => createEngine(`engine ${at}`, new Home(home));
  return [engine(1), engine(2), engine(3)];
}

/** @returns what its disk holds */
async function makeMachine(place: string, home: string, { host, format, on }: Kind): Promise<Buffer> {
  const disk = path.join(place, `image.${format}`);
  if (on === 'raw') {
    const base = path.join(place, 'base.raw');
    await writeFile(base, Buffer.alloc(diskBytes, 'raw'));
    await create(disk, { format, parent: { file: base, format: 'raw' } });
  } else {
    await create(disk, { format, virtualSizeBytes: format === 'qcow2' ? diskBytes : 1024 * 1024 });
  }
  const [{ service }] = enginesOf(home);
  await (host === 'qemu'
    ? service.createMachine({ name: lab, disk }, {})
    : service.addMachine({ name: lab, disk, host }, {}));
  const chain = await openChain(disk);
  try {
    const content = Buffer.alloc(chain.top.virtualSizeBytes);
    await chain.top.read(content, 0);
    return content;
  } finally {
    await chain.close();
  }
}

/** On the machine and on the model; where the model says that it is refused, it has to be. @returns what was done */
async function carryOut(bench: Bench, engine: Engine): Promise<string> {
  const deed = chooseDeed(bench, false);
  const expected = deed.refusal(bench.model);
  let effect: ((model: TreeModel) => void) | undefined;
  try {
    effect = await deed.run(engine);
  } catch (error) {
    if (codeOf(error) !== expected) {
      throw new Error(`${deed.told}: ${String(error)}`, { cause: error });
    }
    return `${deed.told} (${expected})`;
  }
  assert.equal(expected, undefined, `${deed.told} was not refused`);
  effect(bench.model);
  return deed.told;
}
