import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { Home } from '../../../../engine/store/home.ts';
import type { JobFolder } from '../../../../engine/store/job-folder.ts';
import { Jobs, type NewJob } from '../../../../engine/store/jobs.ts';
import { folderOf } from '../temporary-folder.ts';

const work: NewJob = { operation: 'diskConvert', params: { file: 'a b.vhdx' }, workingFolder: '/tmp' };
const day = 24 * 60 * 60 * 1000;

async function jobsOf(context: TestContext): Promise<{ jobs: Jobs; home: Home }> {
  const home = new Home(path.join(await folderOf(context), 'my home, Zoë’s 🙂'));
  return { jobs: new Jobs(home), home };
}

async function end(folder: JobFolder, ended: string): Promise<void> {
  await folder.writeOutcome({ state: 'done', ended, result: {} });
}

test('a home without jobs → none', async (context) => {
  const { jobs } = await jobsOf(context);
  assert.deepEqual(await jobs.list(), { jobs: [], damaged: [] });
  await assert.rejects(jobs.find('0123abcd'), { code: 'JobNotFound' });
});

test('created → running, answered for by whoever created it, in a folder for its user alone', async (context) => {
  const { jobs, home } = await jobsOf(context);
  const machine = { id: 'abcd', name: 'Zoë 🙂' };
  const folder = await jobs.create({ ...work, machine }, 'VS Code');
  const { id, started, ...info } = await folder.info();
  assert.equal(id, path.basename(folder.path));
  assert.ok(Math.abs(Date.parse(started) - Date.now()) < 60_000);
  assert.deepEqual(info, {
    operation: 'diskConvert',
    params: { file: 'a b.vhdx' },
    machine,
    startedBy: { face: 'VS Code', pid: process.pid },
    state: 'running',
    isCancelling: false,
    logFile: path.join(folder.path, 'log'),
  });
  assert.deepEqual(await readdir(home.jobs), [id]);
  assert.deepEqual((await readdir(folder.path)).sort(), ['job.json', 'process.json']);
});

test('the process that carries a job out is told once it has begun, and nobody else in its place', async (context) => {
  const { jobs } = await jobsOf(context);
  const folder = await jobs.create(work, 'ckpt');
  assert.equal((await folder.info()).pid, undefined);
  await folder.claim('runner');
  assert.equal((await folder.info()).pid, process.pid);
});

test('found by id and by a unique beginning of 4 characters or more', async (context) => {
  const { jobs, home } = await jobsOf(context);
  const { id } = await jobs.create(work, 'ckpt');
  assert.equal((await jobs.find(id)).id, id);
  assert.equal((await jobs.find(id.slice(0, 4).toUpperCase())).id, id);
  for (const reference of [id.slice(0, 3), '', '..', `${id}x`, `../jobs/${id}`]) {
    await assert.rejects(jobs.find(reference), { code: 'JobNotFound' }, reference);
  }
  const last = id.endsWith('0') ? '1' : '0';
  await mkdir(path.join(home.jobs, `${id.slice(0, -1)}${last}`));
  await assert.rejects(jobs.find(id.slice(0, 8)), { code: 'AmbiguousName' });
});

test('the newest first', async (context) => {
  const { jobs } = await jobsOf(context);
  const made: string[] = [];
  for (let count = 0; count < 3; count++) {
    made.unshift((await jobs.create(work, 'ckpt')).id);
    const now = Date.now();
    while (Date.now() === now) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  assert.deepEqual(
    (await jobs.list()).jobs.map(({ id }) => id),
    made,
  );
});

test('parameters that are too long → InvalidArgument, and nothing left', async (context) => {
  const { jobs, home } = await jobsOf(context);
  await assert.rejects(jobs.create({ ...work, params: { file: 'x'.repeat(2 * 1024 * 1024) } }, 'ckpt'), {
    code: 'InvalidArgument',
  });
  assert.deepEqual(await readdir(home.jobs), []);
});

test('the process on record is gone, or the number is that of another process → interrupted', async (context) => {
  const { jobs } = await jobsOf(context);
  const folder = await jobs.create(work, 'ckpt');
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const records = [
    { pid: gone, identity: 'an earlier boot:1' },
    { pid: process.pid, identity: 'an earlier boot:1' },
    { pid: 1, identity: 'an earlier boot:1' },
  ];
  for (const record of records) {
    await writeFile(path.join(folder.path, 'process.json'), JSON.stringify({ version: 1, role: 'runner', ...record }));
    assert.equal((await folder.info()).state, 'interrupted');
  }
});

const huge = 2 ** 40;
const hostile: [what: string, make: (file: string) => Promise<unknown>][] = [
  ['no JSON', (file) => writeFile(file, 'hello')],
  ['empty', (file) => writeFile(file, '')],
  ['another kind of JSON', (file) => writeFile(file, '[]')],
  ['without its fields', (file) => writeFile(file, '{"version":1}')],
  ['of a newer version', (file) => writeFile(file, '{"version":2}')],
  ['very deep', (file) => writeFile(file, '['.repeat(100_000))],
  ['huge', (file) => writeFile(file, '').then(() => truncate(file, huge))],
  ['a folder', (file) => rm(file, { force: true }).then(() => mkdir(file))],
];
for (const [what, make] of hostile) {
  test(`a job's record that is ${what} → listed as damaged, JobDamaged when asked for, and the others are there`, async (context) => {
    const { jobs } = await jobsOf(context);
    const good = await jobs.create(work, 'ckpt');
    for (const record of ['job.json', 'outcome.json']) {
      const bad = await jobs.create(work, 'ckpt');
      await make(path.join(bad.path, record));
      await assert.rejects(bad.info(), { code: 'JobDamaged', message: new RegExp(record.replace('.', '\\.')) });
      const listed = await jobs.list();
      assert.deepEqual(
        listed.jobs.map(({ id }) => id),
        [good.id],
      );
      assert.ok(listed.damaged.some(({ id, folder }) => id === bad.id && folder === bad.path));
      await jobs.sweep(new Date(Date.now() + 100 * day));
      await rm(bad.path, { recursive: true });
    }
  });

  test(`a process on record that is ${what} → interrupted; progress that is → none`, async (context) => {
    const { jobs } = await jobsOf(context);
    const folder = await jobs.create(work, 'ckpt');
    await folder.writeProgress({ message: 'Converting', updated: new Date().toISOString() });
    assert.equal((await folder.info()).progress?.message, 'Converting');
    await make(path.join(folder.path, 'progress.json'));
    assert.deepEqual([(await folder.info()).state, (await folder.info()).progress], ['running', undefined]);
    await make(path.join(folder.path, 'process.json'));
    assert.equal((await folder.info()).state, 'interrupted');
  });
}

test('the record of another job, copied → JobDamaged', async (context) => {
  const { jobs } = await jobsOf(context);
  const [one, other] = [await jobs.create(work, 'ckpt'), await jobs.create(work, 'ckpt')];
  const { version: _, ...record } = await other.readJob();
  await one.writeJob(record);
  await assert.rejects(one.info(), { code: 'JobDamaged' });
});

test(
  'a record that its user may not read → damaged, and the others are there',
  { skip: process.getuid?.() === 0 && 'modes do not hold the superuser back' },
  async (context) => {
    const { jobs } = await jobsOf(context);
    const [one, other] = [await jobs.create(work, 'ckpt'), await jobs.create(work, 'ckpt')];
    await chmod(path.join(one.path, 'job.json'), 0);
    const listed = await jobs.list();
    assert.deepEqual([listed.jobs[0]?.id, listed.damaged[0]?.id], [other.id, one.id]);
  },
);

test('other names in the folder are nobody’s jobs', async (context) => {
  const { jobs, home } = await jobsOf(context);
  await mkdir(home.jobs, { recursive: true });
  for (const name of ['notes', '.git', 'x'.repeat(36)]) {
    await mkdir(path.join(home.jobs, name));
  }
  await writeFile(path.join(home.jobs, '6f2ad0c5-5b36-4d5c-8f5d-0a1b2c3d4e5f'), 'a file');
  assert.deepEqual(await jobs.list(), { jobs: [], damaged: [] });
});

test('swept: what ended more than 7 days ago; what runs, was interrupted, or ended since stays', async (context) => {
  const { jobs } = await jobsOf(context);
  const at = new Date();
  const [old, late, running, interrupted] = [
    await jobs.create(work, 'ckpt'),
    await jobs.create(work, 'ckpt'),
    await jobs.create(work, 'ckpt'),
    await jobs.create(work, 'ckpt'),
  ];
  await end(old, new Date(at.getTime() - 7 * day - 1000).toISOString());
  await end(late, new Date(at.getTime() - 7 * day + 60_000).toISOString());
  await rm(path.join(interrupted.path, 'process.json'));
  await jobs.sweep(at);
  assert.deepEqual((await jobs.list()).jobs.map(({ id }) => id).sort(), [late.id, running.id, interrupted.id].sort());
});

test('swept: all but the 50 that ended last', async (context) => {
  const { jobs, home } = await jobsOf(context);
  const at = Date.now();
  const folders = await Promise.all(Array.from({ length: 53 }, () => jobs.create(work, 'ckpt')));
  await Promise.all(folders.map((folder, index) => end(folder, new Date(at - index * 1000).toISOString())));
  await Promise.all([jobs.sweep(new Date(at)), jobs.sweep(new Date(at))]);
  assert.deepEqual(
    (await readdir(home.jobs)).sort(),
    folders
      .slice(0, 50)
      .map(({ id }) => id)
      .sort(),
  );
});

test('swept: what a process that died while making or removing a job left, a day later', async (context) => {
  const { jobs, home } = await jobsOf(context);
  const at = new Date();
  for (const name of ['.new-old', '.swept-old', '.new-now']) {
    await mkdir(path.join(home.jobs, name, 'inner'), { recursive: true });
  }
  const twoDaysAgo = new Date(at.getTime() - 2 * day);
  await utimes(path.join(home.jobs, '.new-old'), twoDaysAgo, twoDaysAgo);
  await utimes(path.join(home.jobs, '.swept-old'), twoDaysAgo, twoDaysAgo);
  await jobs.sweep(at);
  assert.deepEqual(await readdir(home.jobs), ['.new-now']);
});

test('a file in place of the folder → an error, not an empty list', async (context) => {
  const { jobs, home } = await jobsOf(context);
  await mkdir(home.root);
  await writeFile(home.jobs, '');
  await assert.rejects(jobs.list());
  await assert.rejects(jobs.create(work, 'ckpt'));
});

// File modes do not hold the superuser back, so the folder is mounted read-only, in a mount namespace of one process.
const mounting = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
const namespace = ['--mount', ...asRoot, 'sh', '-c', mounting];
const cannotMount =
  spawnSync('unshare', [...namespace, '/tmp', 'true']).status !== 0 &&
  'no folder can be mounted read-only here (unshare and mount are not allowed)';

test(
  'a folder that is read-only → its jobs can be seen; a new one is refused',
  { skip: cannotMount },
  async (context) => {
    const { jobs, home } = await jobsOf(context);
    const { id } = await jobs.create(work, 'ckpt');
    const script = path.join(import.meta.dirname, 'create-job.ts');
    const child = spawn('unshare', [...namespace, home.jobs, process.execPath, '--import', 'tsx', script, home.root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(child, 'close');
    const found = z
      .object({ seen: z.array(z.string()), error: z.object({ code: z.string() }) })
      .parse(JSON.parse(said));
    assert.deepEqual(found, { seen: [`${id} running`], error: { code: 'PermissionDenied' } });
  },
);
