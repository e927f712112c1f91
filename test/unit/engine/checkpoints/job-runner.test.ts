import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { build } from 'esbuild';
import { followJob } from '../../../../engine/checkpoints/follow-job.ts';
import { reviveJob, type JobProgram } from '../../../../engine/checkpoints/job-runner.ts';
import { JobService } from '../../../../engine/checkpoints/job-service.ts';
import type { JobInfo, JobProgress } from '../../../../engine/protocol/jobs.ts';
import { Home } from '../../../../engine/store/home.ts';
import { JobFolder } from '../../../../engine/store/job-folder.ts';
import { cacheFolder } from '../../../support/project.ts';
import { until } from '../../../support/vscode/until.ts';
import { folderOf } from '../temporary-folder.ts';

/** The test program as one file, as the engine is one: processes of it start soon. It finds its packages from there. */
const programFile = path.join(cacheFolder, `job-program-${process.pid}.cjs`);
const program: JobProgram = { command: process.execPath, args: [programFile] };
const soon = { timeoutMilliseconds: 20_000 };
const log = { info: () => undefined, error: () => undefined };

before(() =>
  build({
    entryPoints: [path.join(import.meta.dirname, 'job-program.ts')],
    outfile: programFile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  }),
);
after(() => rm(programFile, { force: true }));

/** A home whose jobs end with the test, and the files of one job that waits. */
async function lab(context: TestContext) {
  const started: JobService[] = [];
  // Before the folder's own end, which comes in the order of asking: jobs are found by what lies in it.
  context.after(async () => {
    for (const { pid } of (await started[0]?.jobs())?.jobs ?? []) {
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL');
      }
    }
  });
  const folder = path.join(await folderOf(context), 'my jobs, Zoë’s 🙂');
  const home = new Home(folder);
  await mkdir(folder);
  const service = new JobService({ home, face: 'a test', log }, program);
  started.push(service);
  const [file, gate] = [path.join(folder, 'file'), path.join(folder, 'gate')];
  const work = { operation: 'work', params: { file, gate }, machine: { id: 'abcd', name: 'lab' } };
  return { home, service, file, gate, work, folderOfJob: (id: string) => new JobFolder(path.join(home.jobs, id)) };
}

async function kill(pid: number | undefined): Promise<void> {
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
}

async function jobIn(service: JobService, state: JobInfo['state']): Promise<JobInfo> {
  return until(
    `a job that is ${state}`,
    async () => (await service.jobs()).jobs.find((job) => job.state === state),
    soon,
  );
}

async function ckpt(home: Home, args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = spawn(program.command, [...program.args, 'ckpt', ...args, '--home', home.root], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const closed: unknown[] = await once(child, 'close');
  return { code: closed[0], stdout, stderr };
}

test('its result comes from another process, in a process group of its own', async (context) => {
  const { service, work, gate, file } = await lab(context);
  const job = await service.start(work);
  assert.equal(job.state, 'running');
  assert.notEqual(job.pid, process.pid);
  const stat = await readFile(`/proc/${job.pid ?? 0}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) {
    context.diagnostic('no /proc here: the process group was not looked at');
  } else {
    assert.equal(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]), job.pid);
  }
  await writeFile(gate, '');
  const { job: ended } = await service.followJob({ job: job.id.slice(0, 8) });
  assert.deepEqual([ended.state, ended.result], ['done', { file, pid: job.pid }]);
  assert.equal(await readFile(file, 'utf8'), `run by ${job.pid ?? 0}\n`);
});

test('whoever began it is killed (kill -9) → it goes on, and another process sees its progress and result', async (context) => {
  const { home, service, work, gate } = await lab(context);
  const window = spawn(
    program.command,
    [...program.args, 'start', home.root, work.operation, JSON.stringify(work.params)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  context.after(() => window.kill('SIGKILL'));
  const said: unknown[] = await once(window.stdout, 'data');
  const id = String(said[0]).trim();
  const exit = once(window, 'exit');
  window.kill('SIGKILL');
  await exit;
  const seen: JobProgress[] = [];
  const job = await until(
    'progress',
    async () => (await service.jobs()).jobs.find(({ progress }) => progress !== undefined),
    soon,
  );
  assert.deepEqual([job.id, job.state, job.startedBy], [id, 'running', { face: 'a window', pid: window.pid }]);
  const { updated: _, ...progress } = job.progress ?? { updated: '' };
  assert.deepEqual(progress, { message: 'Working', fraction: 0.25, doneBytes: 25, totalBytes: 100 });
  const result = followJob(new JobFolder(path.join(home.jobs, id)), { onProgress: (one) => seen.push(one) });
  await until('the follower to see it', () => seen.length > 0, soon);
  await writeFile(gate, '');
  assert.equal((await result)['pid'], job.pid);
  assert.equal(seen.at(-1)?.fraction, 1);
});

test('cancelled from another process → it undoes what it began, and every follower is told', async (context) => {
  const { home, service, work, file } = await lab(context);
  const { id } = await service.start(work);
  await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
  const followers = [service.followJob({ job: id }), service.followJob({ job: id })];
  const told = Promise.allSettled(followers);
  const cancelled = await ckpt(home, ['jobs', 'cancel', id, '--json']);
  assert.equal(cancelled.code, 0, cancelled.stdout);
  assert.match(cancelled.stdout, /"state":"cancelled"/);
  for (const outcome of await told) {
    assert.ok(outcome.status === 'rejected');
    assert.match(String(outcome.reason), /Cancelled/);
  }
  await assert.rejects(readFile(file), { code: 'ENOENT' });
  assert.equal((await service.cancelJob({ job: id })).job.state, 'cancelled');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(
    `${signal} → cancelled`,
    { skip: process.platform === 'win32' && 'Windows has no such signal' },
    async (context) => {
      const { service, work, file } = await lab(context);
      const job = await service.start(work);
      await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
      process.kill(job.pid ?? 0, signal);
      await assert.rejects(service.followJob({ job: job.id }), { code: 'Cancelled' });
      await assert.rejects(readFile(file), { code: 'ENOENT' });
    },
  );
}

test(
  'SIGHUP, as a terminal that closes sends → it goes on',
  { skip: process.platform === 'win32' && 'Windows has no such signal' },
  async (context) => {
    const { service, work, gate, file } = await lab(context);
    const job = await service.start(work);
    await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
    process.kill(job.pid ?? 0, 'SIGHUP');
    await writeFile(gate, '');
    assert.equal((await service.followJob({ job: job.id })).job.state, 'done');
  },
);

test('killed (kill -9) → interrupted, for its follower too → resumed → done, by another process', async (context) => {
  const { service, work, gate, file } = await lab(context);
  const job = await service.start(work);
  await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
  const follower = assert.rejects(service.followJob({ job: job.id }), {
    code: 'JobInterrupted',
    message: new RegExp(job.id),
  });
  await kill(job.pid);
  await follower;
  assert.equal((await jobIn(service, 'interrupted')).id, job.id);
  const { job: resumed } = await service.resumeJob({ job: job.id });
  assert.equal(resumed.state, 'running');
  assert.notEqual(resumed.pid, job.pid);
  await writeFile(gate, '');
  await service.followJob({ job: job.id });
  assert.equal(await readFile(file, 'utf8'), `run by ${job.pid ?? 0}\nrun by ${resumed.pid ?? 0}\n`);
  await assert.rejects(service.resumeJob({ job: job.id }), { code: 'NothingToResume', message: /done/ });
});

test('killed → cancelled → what it had begun is undone', async (context) => {
  const { service, work, file } = await lab(context);
  const job = await service.start(work);
  await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
  await kill(job.pid);
  await jobIn(service, 'interrupted');
  assert.equal((await service.cancelJob({ job: job.id })).job.state, 'cancelled');
  await assert.rejects(readFile(file), { code: 'ENOENT' });
});

test('a wish to cancel that a killed job did not live to see does not end the one that is resumed', async (context) => {
  const { service, work, gate, folderOfJob } = await lab(context);
  const job = await service.start(work);
  await kill(job.pid);
  await jobIn(service, 'interrupted');
  await folderOfJob(job.id).askToCancel('a test');
  assert.equal((await service.resumeJob({ job: job.id })).job.isCancelling, false);
  await writeFile(gate, '');
  assert.equal((await service.followJob({ job: job.id })).job.state, 'done');
});

test('a job that runs cannot be resumed', async (context) => {
  const { service, work } = await lab(context);
  const { id } = await service.start(work);
  await assert.rejects(service.resumeJob({ job: id }), { code: 'NothingToResume', message: /running/ });
});

test('five resume an interrupted job at once → one does, and it runs once', async (context) => {
  const { home, service, work, gate, file, folderOfJob } = await lab(context);
  const job = await service.start(work);
  await until('its work', async () => readFile(file).then(Boolean, () => false), soon);
  await kill(job.pid);
  await jobIn(service, 'interrupted');
  const attempts = await Promise.allSettled(
    Array.from({ length: 5 }, () => reviveJob(folderOfJob(job.id), 'resume', 'a test', program, home.root)),
  );
  assert.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
  await writeFile(gate, '');
  await service.followJob({ job: job.id });
  assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, 2);
});

test('it fails → its own error at the follower, with code, sentence and facts', async (context) => {
  const { service } = await lab(context);
  await assert.rejects(service.run({ operation: 'refuse', params: {} }, {}, 'leave'), {
    name: 'CheckpointError',
    code: 'NotEnoughSpace',
    message: 'The volume is 5 bytes short.',
    data: { shortBytes: 5 },
  });
  assert.equal((await service.jobs()).jobs[0]?.state, 'failed');
});

test('a defect → Internal, with its stack in the log of the job', async (context) => {
  const { service } = await lab(context);
  await assert.rejects(service.run({ operation: 'crash', params: {} }, {}, 'leave'), { code: 'Internal' });
  const [job] = (await service.jobs()).jobs;
  assert.match(await readFile(job?.logFile ?? '', 'utf8'), /TypeError: a defect\n\s+at /);
});

test('an operation that the program does not have, or that every object has → InvalidArgument', async (context) => {
  const { service } = await lab(context);
  for (const operation of ['fly', 'constructor', '__proto__']) {
    await assert.rejects(service.run({ operation, params: {} }, {}, 'leave'), { code: 'InvalidArgument' });
  }
});

test('a result too long to keep → failed, and the record stays readable', async (context) => {
  const { service } = await lab(context);
  await assert.rejects(service.run({ operation: 'talk', params: {} }, {}, 'leave'), { code: 'Internal' });
  assert.equal((await service.jobs()).jobs[0]?.state, 'failed');
});

test('the call is aborted → the job is cancelled when the caller chose so', async (context) => {
  const { service, work, file } = await lab(context);
  const abort = new AbortController();
  const run = service.run(work, { signal: abort.signal, report: () => abort.abort() }, 'cancel');
  await assert.rejects(run, { code: 'Cancelled' });
  assert.equal((await service.jobs()).jobs[0]?.state, 'cancelled');
  await assert.rejects(readFile(file), { code: 'ENOENT' });
});

test('the call is aborted → else the job is left alone', async (context) => {
  const { service, work, gate } = await lab(context);
  const abort = new AbortController();
  const run = service.run(work, { signal: abort.signal, report: () => abort.abort() }, 'leave');
  await assert.rejects(run, { name: 'AbortError' });
  const job = await jobIn(service, 'running');
  assert.equal(job.isCancelling, false);
  await writeFile(gate, '');
  assert.equal((await service.followJob({ job: job.id })).job.state, 'done');
});

test('aborted before it began → no job', async (context) => {
  const { service, work } = await lab(context);
  await assert.rejects(service.start(work, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.deepEqual((await service.jobs()).jobs, []);
});

const unable: [what: string, program: JobProgram][] = [
  ['is not there', { command: '/nonexistent/engine', args: [] }],
  ['ends before it begins', { command: process.execPath, args: ['-e', 'throw new Error("no engine")', '--'] }],
];
for (const [what, broken] of unable) {
  test(`the program ${what} → an error, and a job that failed`, async (context) => {
    const { home, work } = await lab(context);
    const service = new JobService({ home, face: 'a test', log }, broken);
    await assert.rejects(service.start(work));
    const [job] = (await service.jobs()).jobs;
    assert.deepEqual([job?.state, job?.error?.code], ['failed', 'Internal']);
  });
}

test('relative paths are those of whoever began it', async (context) => {
  const { service, file, gate } = await lab(context);
  const relative = path.relative(process.cwd(), file);
  await writeFile(gate, '');
  await service.run({ operation: 'work', params: { file: relative, gate } }, {}, 'leave');
  assert.match(await readFile(file, 'utf8'), /^run by/);
});

test('ckpt jobs: lists, follows and resumes, with options after the verb', async (context) => {
  const { home, service, work, gate } = await lab(context);
  assert.match((await ckpt(home, ['jobs'])).stdout, /No jobs\./);
  const job = await service.start(work);
  await until('progress', async () => (await service.jobs()).jobs[0]?.progress !== undefined, soon);
  assert.match(
    (await ckpt(home, ['jobs'])).stdout,
    new RegExp(`^${job.id.slice(0, 8)}\\s+running\\s+work\\s+lab\\s+Working 25 %`),
  );
  await kill(job.pid);
  await jobIn(service, 'interrupted');
  assert.match((await ckpt(home, ['jobs'])).stdout, /interrupted\s+work\s+lab\s+ckpt jobs resume/);
  const interrupted = await ckpt(home, ['jobs', 'follow', job.id, '--json']);
  assert.deepEqual(
    [interrupted.code, /"code":"JobInterrupted"/.test(interrupted.stdout)],
    [1, true],
    interrupted.stdout,
  );
  assert.equal((await ckpt(home, ['jobs', 'resume', job.id])).code, 0);
  await writeFile(gate, '');
  const followed = await ckpt(home, ['jobs', 'follow', job.id, '--json']);
  assert.deepEqual([followed.code, /"state":"done"/.test(followed.stdout)], [0, true], followed.stdout);
  const unknown = await ckpt(home, ['jobs', 'follow', '00000000', '--json']);
  assert.deepEqual([unknown.code, /"code":"JobNotFound"/.test(unknown.stdout)], [1, true]);
});
