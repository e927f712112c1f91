import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateLayer, Layer } from '../../../../../engine/disks/disk.ts';
import { DiskModel, modelAtCrash, randomProgram, runProgram, type Step } from '../../../../support/disks/disk-model.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording, type CrashPoint } from '../../../../support/disks/recorded-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { contentOf, frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const random = seededRandom();
/** More for a longer run. */
const rounds = Number(process.env['CKPT_CRASH_ROUNDS'] ?? 1);
const sizeBytes = 3 * mebibyte + 512;

/** Opened for reading (the log replayed in memory), and for writing (on the file): the same must be there. */
async function assertSurvives(
  point: CrashPoint,
  model: DiskModel,
  below: readonly MemoryFile[],
  path?: string,
): Promise<void> {
  const parents = below.map(frozen);
  const readOnly = await openChain(frozen(point.file(path)), ...parents);
  await model.assertPossible(readOnly, `${point.description}, read-only`);
  await assertNoErrors(readOnly, point);
  const file = point.file(path);
  const writable = await openChain(file, ...parents);
  await writable.close();
  const again = await openChain(frozen(file), ...parents);
  assert.equal(again.details['LogGuid'], '00000000-0000-0000-0000-000000000000');
  const [inMemory, onFile] = [await contentOf(readOnly), await contentOf(again)];
  assert.ok(inMemory.equals(onFile), `${point.description}: replayed in memory and on the file`);
}

async function assertNoErrors(layer: Layer, point: CrashPoint): Promise<void> {
  const faults = await layer.check({ repair: false });
  // A header may have been caught half-way: the other one is there for that.
  const errors = faults.filter(({ severity, field }) => severity === 'error' && !field.startsWith('header'));
  assert.deepEqual(errors, [], point.description);
  assert.ok(faults.filter(({ field }) => field.startsWith('header')).length < 2, point.description);
}

/** How far a program had come, by the marks that it made. */
function progressAt(point: CrashPoint): { begun: number; done: number } {
  return {
    begun: point.marks.filter((mark) => mark === 'begin').length,
    done: point.marks.filter((mark) => mark === 'done').length,
  };
}

const kinds: Step['kind'][] = ['write', 'write', 'write', 'write', 'zero', 'discard', 'flush', 'flush', 'reopen'];

for (const { name, options, depth } of [
  { name: 'dynamic', options: { virtualSizeBytes: sizeBytes, blockBytes: mebibyte }, depth: 0 },
  { name: 'fixed', options: { virtualSizeBytes: sizeBytes, blockBytes: mebibyte, isFixed: true }, depth: 0 },
  { name: 'differencing', options: { virtualSizeBytes: sizeBytes, blockBytes: mebibyte }, depth: 1 },
] satisfies { name: string; options: Omit<CreateLayer, 'file'>; depth: number }[]) {
  test(`a crash at any instant of a random program: ${name}`, async () => {
    for (let round = 0; round < rounds; round++) {
      const shape = {
        random,
        sizeBytes,
        boundaries: [mebibyte, 2 * mebibyte, 3 * mebibyte],
        longest: 96 * 1024,
        kinds,
      };
      let image = await newVhdx(options);
      const model = new DiskModel(sizeBytes);
      await runProgram(randomProgram({ ...shape, steps: 10 }), { open: () => openChain(image), model });
      model.flush();
      const below: MemoryFile[] = [];
      if (depth > 0) {
        below.push(image);
        image = await newChild(frozen(image), { blockBytes: mebibyte });
      }
      const recording = new Recording();
      const file = recording.file(image.path, image);
      const program = randomProgram({ ...shape, steps: 25 });
      // Whole blocks go and come back, into each other's space.
      program.splice(
        12,
        0,
        { kind: 'discard', offset: 0, length: 2 * mebibyte },
        { kind: 'flush' },
        { kind: 'write', offset: mebibyte + 1000, length: 5000, tag: 500 },
      );
      const before = model.copy();
      await runProgram(program, {
        open: () => openChain(file, ...below.map(frozen)),
        model,
        onBegin: () => recording.mark('begin'),
        onDone: () => recording.mark('done'),
      });
      for (const point of crashPoints(recording, { random, reorderings: 2, points: 50 })) {
        const { begun, done } = progressAt(point);
        await assertSurvives(point, modelAtCrash(before, program, begun, done), below);
      }
    }
  });
}

test('a crash during a compaction: the content stays as it is', async () => {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const baseModel = new DiskModel(sizeBytes);
  await fill(base, [], baseModel);
  for (const below of [[], [base]]) {
    const image = below.length === 0 ? base.copy() : await newChild(frozen(base), { blockBytes: mebibyte });
    const model = baseModel.copy();
    await fill(image, below, model);
    const recording = new Recording();
    const file = recording.file(image.path, image);
    const layer = await openChain(file, ...below.map(frozen));
    assert.ok((await layer.compact({})) > 0);
    await model.assertSame(layer);
    await layer.close();
    await assertAllPoints(recording, model, below);
  }
});

async function fill(image: MemoryFile, below: MemoryFile[], model: DiskModel): Promise<void> {
  const kindsHere: Step['kind'][] = ['write', 'write', 'discard', 'flush'];
  const program = randomProgram({ random, sizeBytes, steps: 20, longest: 2 * mebibyte, kinds: kindsHere });
  // At the end the first block goes, so that there is a gap, and a block of zeros comes last.
  program.push({ kind: 'write', offset: 0, length: sizeBytes, tag: 1000 });
  program.push({ kind: 'discard', offset: 0, length: mebibyte });
  program.push({ kind: 'write', offset: 600, length: 600, tag: 1001 });
  await runProgram(program, { open: () => openChain(image, ...below.map(frozen)), model });
  model.flush();
}

async function assertAllPoints(recording: Recording, model: DiskModel, below: MemoryFile[]): Promise<void> {
  model.flush();
  for (const point of crashPoints(recording, { random, reorderings: 2, points: 60 })) {
    await assertSurvives(point, model, below);
  }
}

test('a crash while a disk grows, with its block allocation table moved: the old size or the new one', async () => {
  // 1 MiB blocks: a table of 1 MiB serves 128 GiB.
  const image = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const model = new DiskModel(sizeBytes);
  await fill(image, [], model);
  const recording = new Recording();
  const layer = await openChain(recording.file(image.path, image));
  const grownBytes = 200 * 1024 * mebibyte;
  await layer.resize(grownBytes, {});
  await layer.close();
  const seen = new Set<number>();
  for (const point of crashPoints(recording, { random, reorderings: 2 })) {
    const file = point.file();
    for (const opened of [await openChain(frozen(file)), await openChain(file)]) {
      seen.add(opened.virtualSizeBytes);
      const content = Buffer.alloc(sizeBytes);
      await opened.read(content, 0);
      assert.ok(content.equals(model.content(0, sizeBytes)), point.description);
      await assertNoErrors(opened, point);
      if (opened.virtualSizeBytes === grownBytes) {
        const tail = Buffer.alloc(mebibyte, 1);
        await opened.read(tail, grownBytes - mebibyte);
        assert.ok(tail.equals(Buffer.alloc(mebibyte)));
      }
      await opened.close();
    }
  }
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [sizeBytes, grownBytes],
  );
});

test('a crash while the parent is changed: the child names the old one or the new one, and matches it', async () => {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const other = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte }, '/memory/other.vhdx');
  const image = await newChild(base, { blockBytes: mebibyte });
  const recording = new Recording();
  const layer = await openChain(recording.file(image.path, image), frozen(base));
  const otherLayer = await openChain(frozen(other));
  await layer.setParent({ layer: otherLayer, relativePath: 'somewhere/else/other.vhdx' });
  await layer.close();
  const baseLayer = await openChain(frozen(base));
  const seen = new Set<string>();
  for (const point of crashPoints(recording, { random, reorderings: 3 })) {
    const child = await openChain(frozen(point.file()));
    const path = child.parentReference?.paths[0] ?? '';
    seen.add(path);
    const parent = path === './disk.vhdx' ? baseLayer : otherLayer;
    assert.deepEqual(child.compareParent(parent), [], point.description);
  }
  assert.deepEqual([...seen].sort(), ['./disk.vhdx', './somewhere/else/other.vhdx']);
});

test('a crash during a merge: whatever instant, the child matches its parent', async () => {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const child = await newChild(base, { blockBytes: mebibyte });
  const recording = new Recording();
  const parentFile = recording.file(base.path, base);
  const childFile = recording.file(child.path, child);
  const parent = await openChain(parentFile);
  const layer = await openChain(childFile, frozen(base));
  await layer.expectParentChange(parent);
  await parent.write(Buffer.alloc(4096, 7), 0);
  await parent.flush();
  await parent.close();
  await layer.close();
  const identities = new Set<string>();
  for (const point of crashPoints(recording, { random, reorderings: 4 })) {
    const [childThen, parentThen] = [point.file(child.path), point.file(base.path)];
    const [opened, openedParent] = [await openChain(frozen(childThen)), await openChain(frozen(parentThen))];
    identities.add(openedParent.identity['DataWriteGuid'] ?? '');
    assert.deepEqual(opened.compareParent(openedParent), [], point.description);
    // And a merge that begins again keeps it so, although the parent now has another coming GUID.
    const [again, againParent] = [await openChain(childThen), await openChain(parentThen)];
    await again.expectParentChange(againParent);
    assert.deepEqual(again.compareParent(againParent), []);
    await againParent.write(Buffer.alloc(512), 0);
    assert.deepEqual(again.compareParent(againParent), []);
  }
  assert.equal(identities.size, 2);
});
