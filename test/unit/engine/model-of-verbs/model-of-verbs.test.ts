import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { choose, chooseVerb, type Bench } from './random-verbs.ts';
import { TreeModel } from './tree-model.ts';

const steps = Number(process.env['CKPT_MODEL_STEPS'] ?? 120);
const diskBytes = 192 * 1024;
/** More make every step slower, and no step different. */
const mostPoints = 12;

/** What the machine is made of. More is a new line. */
const kinds: readonly { host: HostId; format: DiskFormat }[] = [
  { host: 'qemu', format: 'qcow2' },
  { host: 'disks', format: 'qcow2' },
  { host: 'disks', format: 'vhdx' },
  { host: 'disks', format: 'vhd' },
];

describe('random programs of verbs on a stopped machine', () => {
  const folder = folderOfSuite();
  findQemuOnce();
  for (const { host, format } of kinds) {
    it(`${host}, ${format}: ${steps} steps → every checkpoint and Now hold what a plain model holds`, async (context) => {
      const random = seededRandom();
      const place = path.join(folder, `${host} ${format}`);
      await mkdir(place);
      const disk = path.join(place, `image.${format}`);
      await create(disk, { format, virtualSizeBytes: format === 'qcow2' ? diskBytes : 1024 * 1024 });
      const home = path.join(place, 'home');
      const { service } = engineOf(home);
      const created = await (host === 'qemu'
        ? service.createMachine({ name: lab, disk }, {})
        : service.addMachine({ name: lab, disk, host }, {}));
      const sizeBytes = created.machine.disks[0]?.virtualSizeBytes ?? 0;
      const model = new TreeModel(Buffer.alloc(sizeBytes));
      let engines: Bench['engines'] = [engineOf(home), engineOf(home)];
      const done: string[] = [];
      for (let step = 1; step <= steps; step++) {
        if (random() < 0.1) {
          engines = [engineOf(home), engineOf(home)];
        }
        const bench: Bench = { engines, model, random, step };
        try {
          if (model.points.size > mostPoints) {
            const doomed = choose([...model.points.keys()], random) ?? '';
            await engines[1].service.delete({ machine: lab, checkpoint: doomed });
            model.delete([doomed]);
          }
          done.push(await chooseVerb(random)(bench));
          await requireSame(bench, step % 20 === 0 || step === steps);
        } catch (error) {
          throw new Error(`step ${step}, after: ${done.slice(-6).join('; ')}: ${String(error)}`, { cause: error });
        }
      }
      assert.deepEqual(await faultsOfHome(home), { unknown: [], missing: [] });
      context.diagnostic(`${steps} steps, ${model.points.size} checkpoints at the end`);
    });
  }
});

/** The tree is the model's; so is what Now holds, and what one checkpoint does, or `all` do. */
async function requireSame({ engines, model, random }: Bench, all: boolean): Promise<void> {
  const { machine } = await engines[1].service.show({ machine: lab });
  assert.deepEqual(
    Object.fromEntries(
      machine.checkpoints.map(({ id, parent, name, expires }) => [
        id,
        { parent, name, expires: expires !== undefined },
      ]),
    ),
    Object.fromEntries([...model.points].map(([id, { parent, name, expires }]) => [id, { parent, name, expires }])),
  );
  assert.equal(machine.now.parent, model.parent);
  assert.equal(machine.now.undo, model.undo);
  assert.equal(machine.now.redo, model.redo);
  assert.deepEqual(machine.trash.map(({ checkpoint }) => checkpoint.id).sort(), [...model.trash.keys()].sort());
  await requireContent(machine.disks[0]?.activeLayer ?? '', model.content, 'Now');
  const folder = new MachineFolder(machine.folder);
  const { checkpoints, definition, now } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const looked = all ? checkpoints : [choose(checkpoints, random)];
  for (const checkpoint of looked) {
    if (checkpoint !== undefined) {
      const disk = files.disk('disk0');
      const file = files.fileOf(disk, files.layerOf(checkpoint.layers, disk));
      await requireContent(file, model.point(checkpoint.id).content, checkpoint.name);
    }
  }
}

async function requireContent(file: string, expected: Buffer, what: string): Promise<void> {
  const chain = await openChain(file);
  try {
    const found = Buffer.alloc(chain.top.virtualSizeBytes);
    await chain.top.read(found, 0);
    assert.ok(found.equals(expected), `${what} holds other bytes`);
  } finally {
    await chain.close();
  }
}
