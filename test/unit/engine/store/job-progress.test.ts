import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { JobProgress } from '../../../../engine/protocol/jobs.ts';
import { FolderWatch } from '../../../../engine/store/folder-watch.ts';
import { Home } from '../../../../engine/store/home.ts';
import { JobFolder } from '../../../../engine/store/job-folder.ts';
import { JobProgressWriter } from '../../../../engine/store/job-progress.ts';
import { Jobs } from '../../../../engine/store/jobs.ts';
import { RemainingTime } from '../../../../engine/store/remaining-time.ts';
import { folderOf } from '../temporary-folder.ts';

/** Notes what is written, and when. */
class NotedFolder extends JobFolder {
  readonly written: { progress: JobProgress; atMs: number }[] = [];
  override async writeProgress(progress: JobProgress): Promise<void> {
    this.written.push({ progress, atMs: performance.now() });
    await super.writeProgress(progress);
  }
}

async function notedFolder(context: TestContext): Promise<NotedFolder> {
  const jobs = new Jobs(new Home(await folderOf(context)));
  const { path } = await jobs.create({ operation: 'work', params: {}, workingFolder: '/' }, 'a test');
  return new NotedFolder(path);
}

test('reported all the time → written five times a second at most, the last one always', async (context) => {
  const folder = await notedFolder(context);
  const writer = new JobProgressWriter(folder);
  const start = performance.now();
  let reports = 0;
  while (performance.now() - start < 1100) {
    writer.report('Converting', ++reports / 1e9);
    await new Promise((resolve) => setImmediate(resolve));
  }
  writer.report('Flushing', 1);
  await writer.close();
  assert.ok(reports > 100);
  const times = folder.written.map(({ atMs }) => atMs);
  assert.ok(times.length >= 2 && times.length <= 7, `${times.length} writes`);
  // The last one comes with the end, without waiting for its turn.
  for (const [index, atMs] of times.slice(1, -1).entries()) {
    assert.ok(atMs - (times[index] ?? 0) >= 190, `${atMs - (times[index] ?? 0)} ms`);
  }
  assert.deepEqual((await folder.info()).progress?.message, 'Flushing');
});

test('bytes tell the share; what is out of bounds or no number is mended', async (context) => {
  const folder = await notedFolder(context);
  const reports: [fraction: number | undefined, bytes: [number, number] | undefined, share: number | undefined][] = [
    [undefined, [1, 4], 0.25],
    [0.5, [1, 4], 0.5],
    [undefined, undefined, undefined],
    [undefined, [0, 0], undefined],
    [Number.NaN, undefined, undefined],
    [1.5, undefined, 1],
    [-1, undefined, 0],
  ];
  for (const [fraction, bytes, share] of reports) {
    const writer = new JobProgressWriter(folder);
    writer.report(
      'x'.repeat(5000),
      fraction,
      bytes === undefined ? undefined : { doneBytes: bytes[0], totalBytes: bytes[1] },
    );
    await writer.close();
    const { progress } = await folder.info();
    assert.deepEqual([progress?.fraction, progress?.doneBytes], [share, bytes?.[0]]);
  }
});

test('progress that cannot be written does not stop the work', async (context) => {
  const writer = new JobProgressWriter(new JobFolder(`${await folderOf(context)}/gone`));
  writer.report('Converting', 0.5);
  await writer.close();
});

test('a steady rate → the time that is left, after a second', () => {
  const remaining = new RemainingTime();
  assert.equal(remaining.update(0, 5000), undefined);
  assert.equal(remaining.update(0.005, 5500), undefined);
  for (let second = 1; second <= 50; second++) {
    const found = remaining.update(second / 100, 5000 + second * 1000);
    assert.ok(found !== undefined && Math.abs(found - (100 - second) * 1000) < 100, `${found} after ${second} s`);
  }
});

test('one slow moment changes it a little, a slow minute a lot', () => {
  const remaining = new RemainingTime();
  let atMs = 0;
  let fraction = 0;
  let found: number | undefined;
  const go = (seconds: number, rate: number): void => {
    for (let second = 0; second < seconds; second++) {
      atMs += 1000;
      fraction += rate;
      found = remaining.update(fraction, atMs);
    }
  };
  remaining.update(0, 0);
  go(30, 0.01);
  const before = found ?? 0;
  go(1, 0);
  assert.ok((found ?? 0) < before * 1.2, `${found} after ${before}`);
  go(60, 0.001);
  assert.ok((found ?? 0) > 400_000, String(found));
});

test('standing still, other work that begins, a clock that stands → nothing is foretold', () => {
  const remaining = new RemainingTime();
  remaining.update(0, 0);
  assert.equal(remaining.update(0, 10_000), undefined);
  assert.ok(remaining.update(0.5, 20_000) !== undefined);
  assert.equal(remaining.update(0.1, 21_000), undefined);
  assert.equal(remaining.update(0.1, 21_000), undefined);
});

test(
  'a change before the wait, during it, or an abort ends it; else the limit does',
  { timeout: 10_000 },
  async (context) => {
    const folder = await notedFolder(context);
    const watch = new FolderWatch(folder.path);
    context.after(() => watch.close());
    const waiting = watch.change(60_000);
    await folder.askToCancel('a test');
    await waiting;
    await watch.change(60_000, AbortSignal.abort());
    const abort = new AbortController();
    const aborted = new FolderWatch('/nonexistent').change(60_000, abort.signal);
    abort.abort();
    await aborted;
    await new FolderWatch('/nonexistent').change(1);
  },
);
