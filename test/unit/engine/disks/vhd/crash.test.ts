import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import {
  DiskModel,
  modelAtCrash,
  randomProgram,
  runProgram,
  taggedContent,
} from '../../../../support/disks/disk-model.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { contentOf, makeChild, makeDisk, mib, openChild, slowFile, smallBlock } from './vhd-images.ts';

/** More for a longer run. */
const points = Number(process.env['CKPT_CRASH_POINTS'] ?? 36);
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 1);

const sizeBytes = 3 * mib + 512 * 5;
const boundaries = [smallBlock, 2 * smallBlock, 3 * smallBlock];

async function randomBase(random: () => number): Promise<{ file: MemoryFile; layer: Layer; model: DiskModel }> {
  const { file, layer } = await makeDisk({ sizeBytes });
  await layer.close();
  const model = new DiskModel(sizeBytes);
  await runProgram(randomProgram({ random, sizeBytes, steps: 12, boundaries }), {
    open: () => vhdDriver.open({ file }),
    model,
  });
  return { file, layer: await vhdDriver.open({ file: file.copy(file.path, true) }), model };
}

for (const kind of ['dynamic', 'differencing', 'fixed'] as const) {
  test(`${kind}: power fails at any instant → it opens with every flushed write, and no other sector has changed`, async () => {
    const random = seededRandom();
    for (let round = 0; round < rounds; round++) {
      const base = await randomBase(random);
      const recording = new Recording();
      const image = kind === 'dynamic' ? base.file : (await newImage(kind, base.layer)).file;
      const file = recording.file('/memory/disk.vhd', image);
      const before = kind === 'fixed' ? new DiskModel(sizeBytes) : base.model;
      const open = (opened: MemoryFile): Promise<Layer> =>
        kind === 'differencing' ? openChild(opened, base.layer) : vhdDriver.open({ file: opened });

      const steps = randomProgram({ random, sizeBytes, steps: 28, boundaries });
      await runProgram(steps, {
        open: () => open(file),
        model: before.copy(),
        onBegin: (step) => recording.mark(`begin ${step}`),
        onDone: (step) => recording.mark(`done ${step}`),
      });
      for (const point of crashPoints(recording, { random, reorderings: 2, points })) {
        const begun = point.marks.filter((mark) => mark.startsWith('begin')).length;
        const done = point.marks.filter((mark) => mark.startsWith('done')).length;
        const crashed = point.file();
        const after = await open(crashed);
        const model = modelAtCrash(before, steps, begun, done);
        await model.assertPossible(after, point.description);
        const faults = (await after.check({ repair: false })).filter(({ field }) => field.startsWith('BAT entry'));
        assert.deepEqual(faults, [], point.description);
        await goOn(after, () => open(crashed), random, point.description);
      }
    }
  });
}

test('differencing: many writes and flushes at once, and power fails → what was written before a flush began is there', async () => {
  const random = seededRandom();
  for (let round = 0; round < 2 * rounds; round++) {
    // Full, so that a sector whose bit came before its content is told from the parent's.
    const made = await makeDisk({ sizeBytes });
    await made.layer.write(taggedContent(0, sizeBytes, 1), 0);
    const base = { layer: made.layer, model: new DiskModel(sizeBytes) };
    base.model.write(taggedContent(0, sizeBytes, 1), 0);
    const recording = new Recording();
    const file = recording.file('/memory/disk.vhd', (await makeChild(base.layer)).file);
    const layer = await openChild(slowFile(file, random), base.layer);
    const written: { offset: number; content: Buffer; begun: Instant; done: Instant }[] = [];
    const flushed: { begun: Instant; done: Instant }[] = [];
    let order = 0;
    const now = (): Instant => ({ operations: recording.operations.length, order: order++ });
    const never: Instant = { operations: Infinity, order: Infinity };
    for (let at = 512 * Math.floor(random() * 40); at < sizeBytes; at += 512 * Math.floor(random() * 300)) {
      const length = Math.min(512 * (1 + Math.floor(random() * 60)), sizeBytes - at);
      const content = taggedContent(at, length, written.length + 7);
      written.push({ offset: at, content, begun: never, done: never });
      at += length;
    }
    written.sort(() => random() - 0.5);
    const running: Promise<void>[] = [];
    for (const [index, write] of written.entries()) {
      write.begun = now();
      running.push(
        layer.write(write.content, write.offset).then(() => {
          write.done = now();
        }),
      );
      if (index % 4 === 3) {
        const flush = { begun: now(), done: never };
        flushed.push(flush);
        running.push(
          layer.flush().then(() => {
            flush.done = now();
          }),
        );
        await running[index];
      }
    }
    await Promise.all(running);
    await layer.close();

    for (const point of crashPoints(recording, { random, reorderings: 3, points })) {
      const after = await openChild(point.file(), base.layer);
      const lastFlush = flushed
        .filter(({ done }) => done.operations <= point.position)
        .reduce((latest, { begun }) => Math.max(latest, begun.order), -1);
      const model = base.model.copy();
      for (const write of written.filter(({ done }) => done.order < lastFlush)) {
        model.write(write.content, write.offset);
      }
      model.flush();
      for (const write of written.filter(({ done }) => done.order > lastFlush)) {
        if (write.begun.operations <= point.position) {
          model.write(write.content, write.offset);
        }
      }
      await model.assertPossible(after, point.description);
    }
  }
});

/** Number of file operations before an event of a test, and the event's place among all events. */
interface Instant {
  operations: number;
  order: number;
}

async function newImage(kind: 'differencing' | 'fixed', parent: Layer): Promise<{ file: MemoryFile }> {
  return kind === 'differencing' ? makeChild(parent) : makeDisk({ sizeBytes, isFixed: true });
}

/** A disk that came through a crash is used like any other. */
async function goOn(disk: Layer, reopen: () => Promise<Layer>, random: () => number, message: string): Promise<void> {
  const model = new DiskModel(disk.virtualSizeBytes);
  model.write(await contentOf(disk), 0);
  for (const step of randomProgram({
    random,
    sizeBytes: disk.virtualSizeBytes,
    steps: 4,
    boundaries,
    kinds: ['write', 'zero'],
  })) {
    model.apply(step);
    await (step.kind === 'write'
      ? disk.write(taggedContent(step.offset, step.length, step.tag), step.offset)
      : step.kind === 'zero'
        ? disk.zero(step.offset, step.length)
        : disk.flush());
  }
  await disk.close();
  const again = await reopen();
  await model.assertSame(again, `used on, ${message}`);
  const faults = await again.check({ repair: false });
  assert.deepEqual(
    faults.filter(({ field }) => field.startsWith('BAT entry')),
    [],
    message,
  );
}
