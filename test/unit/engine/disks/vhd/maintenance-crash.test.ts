import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { DiskModel, randomProgram, runProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { makeChild, makeDisk, mib, smallBlock } from './vhd-images.ts';

/** More for a longer run. */
const reorderings = Number(process.env['CKPT_REORDERINGS'] ?? 4);
const points = Number(process.env['CKPT_CRASH_POINTS'] ?? 60);

const sizeBytes = 3 * mib;
const boundaries = [smallBlock, 2 * smallBlock, 3 * smallBlock];
const longName = `${'directory-of-a-parent/'.repeat(40)}parent.vhd`;

interface Case {
  name: string;
  kind: 'fixed' | 'dynamic' | 'differencing';
  /** Brings the disk into the state that the operation is tried on. */
  prepare?: (layer: Layer, model: DiskModel) => Promise<void>;
  operate: (layer: Layer, parent: Layer, model: DiskModel) => Promise<void>;
  newSizeBytes?: number;
}

async function write(layer: Layer, model: DiskModel, offset: number, length: number): Promise<void> {
  await layer.write(taggedContent(offset, length, 77), offset);
  model.write(taggedContent(offset, length, 77), offset);
}

async function zeroTail(layer: Layer, model: DiskModel): Promise<void> {
  await layer.zero(mib, sizeBytes - mib);
  model.zero(mib, sizeBytes - mib);
}

/** Empty blocks between full ones. */
async function makeHoles(layer: Layer, model: DiskModel): Promise<void> {
  await write(layer, model, 0, sizeBytes);
  await layer.zero(0, 3 * smallBlock);
  model.zero(0, 3 * smallBlock);
}

const cases: Case[] = [
  { name: 'grow', kind: 'fixed', operate: (layer) => layer.resize(5 * mib, {}), newSizeBytes: 5 * mib },
  {
    name: 'grow by one sector',
    kind: 'fixed',
    operate: (layer) => layer.resize(sizeBytes + 512, {}),
    newSizeBytes: sizeBytes + 512,
  },
  { name: 'shrink', kind: 'fixed', prepare: zeroTail, operate: (layer) => layer.resize(mib, {}), newSizeBytes: mib },
  {
    name: 'grow within the table',
    kind: 'dynamic',
    operate: (layer) => layer.resize(5 * mib, {}),
    newSizeBytes: 5 * mib,
  },
  {
    name: 'grow, moving blocks out of the way of the table',
    kind: 'dynamic',
    operate: (layer) => layer.resize(800 * mib, {}),
    newSizeBytes: 800 * mib,
  },
  {
    name: 'grow',
    kind: 'differencing',
    operate: (layer) => layer.resize(4 * mib + 512, {}),
    newSizeBytes: 4 * mib + 512,
  },
  { name: 'shrink', kind: 'dynamic', prepare: zeroTail, operate: (layer) => layer.resize(mib, {}), newSizeBytes: mib },
  {
    name: 'compact',
    kind: 'dynamic',
    prepare: makeHoles,
    operate: async (layer) => {
      await layer.compact({});
    },
  },
  {
    name: 'another parent',
    kind: 'differencing',
    operate: (layer, parent) => layer.setParent({ layer: parent, relativePath: 'elsewhere/parent.vhd' }),
  },
  {
    name: 'another parent with a path that does not fit in',
    kind: 'differencing',
    operate: (layer, parent) => layer.setParent({ layer: parent, relativePath: longName.repeat(8) }),
  },
  {
    name: 'stand alone',
    kind: 'differencing',
    prepare: (layer, model) => write(layer, model, 0, sizeBytes),
    operate: (layer) => layer.setParent(undefined),
  },
];

for (const { name, kind, prepare, operate, newSizeBytes = sizeBytes } of cases) {
  test(`${kind}: ${name}; power fails at any instant → the old disk or the new one, with the same content`, async () => {
    const random = seededRandom();
    const base = await makeDisk({ sizeBytes });
    const model = new DiskModel(sizeBytes);
    await runProgram(randomProgram({ random, sizeBytes, steps: 15, boundaries }), {
      open: () => vhdDriver.open({ file: base.file }),
      model,
    });
    const parent = await vhdDriver.open({ file: base.file.copy('/memory/parent.vhd', true) });
    const image =
      kind === 'dynamic'
        ? base.file
        : kind === 'differencing'
          ? (await makeChild(parent)).file
          : (await makeDisk({ sizeBytes, isFixed: true })).file;
    const open = async (file: MemoryFile): Promise<Layer> => {
      const layer = await vhdDriver.open({ file });
      if (layer.parentReference !== undefined) {
        assert.deepEqual(layer.compareParent(parent), []);
        layer.attachParent(parent);
      }
      return layer;
    };
    const before = kind === 'fixed' ? new DiskModel(sizeBytes) : model;
    const prepared = await open(image);
    await prepare?.(prepared, before);
    await runProgram(
      randomProgram({
        random,
        sizeBytes: prepare === undefined ? sizeBytes : mib,
        steps: 6,
        boundaries,
        kinds: ['write'],
      }),
      { open: async () => prepared, model: before.copy(), compareEvery: 100 },
    ).catch(() => undefined);
    const settled = await open(image);
    const content = new DiskModel(sizeBytes);
    const whole = Buffer.alloc(sizeBytes);
    await settled.read(whole, 0);
    content.write(whole, 0);
    content.flush();

    const recording = new Recording();
    const file = recording.file('/memory/disk.vhd', image);
    const layer = await open(file);
    await operate(layer, parent, content);
    await layer.close();
    recording.mark('done');

    for (const point of crashPoints(recording, { random, reorderings, points })) {
      const crashed = point.file();
      const after = await open(crashed);
      // When only the process dies nothing is lost: then other programs, too, find a footer at the end.
      if (!point.description.includes('without')) {
        assert.equal(crashed.peek(crashed.sizeBytes - 512, 8).toString(), 'conectix', point.description);
      }
      const sizes = point.marks.includes('done') ? [newSizeBytes] : [sizeBytes, newSizeBytes];
      assert.ok(sizes.includes(after.virtualSizeBytes), `${after.virtualSizeBytes} bytes, ${point.description}`);
      // Beyond the first sizes there is nothing that could have changed.
      const compared = Math.min(after.virtualSizeBytes, 8 * mib);
      const expected = content.copy(after.virtualSizeBytes);
      if (after.virtualSizeBytes > sizeBytes) {
        expected.zero(sizeBytes, compared - sizeBytes);
      }
      await expected.assertSame(after, point.description, 0, compared);
      const errors = (await after.check({ repair: false })).filter(
        ({ severity, field }) => severity === 'error' && field.startsWith('BAT'),
      );
      assert.deepEqual(errors, [], point.description);
      // The operation, done again, comes to its end.
      await operate(after, parent, content);
      await after.close();
      const again = await open(crashed);
      assert.equal(again.virtualSizeBytes, newSizeBytes, point.description);
      const result = content.copy(newSizeBytes);
      await result.assertSame(again, `done again, ${point.description}`, 0, Math.min(newSizeBytes, sizeBytes));
      assert.deepEqual(
        (await again.check({ repair: false })).filter(({ severity }) => severity === 'error'),
        [],
        point.description,
      );
    }
  });
}
