import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { commandName } from '../../../../engine/model/guard.ts';
import type { MachineInfo } from '../../../../engine/protocol/machines.ts';
import { Ckpt, runCkpt, type CkptRun } from '../../../support/ckpt.ts';
import { engineOf, makeImage, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { engineFile } from '../../../support/project.ts';
import { until } from '../../../support/vscode/until.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const root = folderOfSuite();
const node = process.execPath;

describe('ckpt guard', () => {
  let home: string;
  let ckpt: Ckpt;
  let machine: string;
  let writer: string;
  let count = 0;

  before(async () => {
    home = path.join(root, 'home');
    ckpt = new Ckpt(home);
    await makeImage(path.join(root, 'image.qcow2'));
    writer = path.join(root, 'writer.mjs');
  });

  beforeEach(async () => {
    machine = `lab ${(count += 1)}`;
    const created = await ckpt.run('createMachine', [
      'create-machine',
      machine,
      '--disk',
      path.join(root, 'image.qcow2'),
    ]);
    assert.equal(created.machine.state, 'stopped');
  });

  const show = async (): Promise<MachineInfo> => (await ckpt.run('show', ['show', machine])).machine;
  const guard = (args: string[], command: string[], input?: string): Promise<CkptRun> =>
    runCkpt(home, ['guard', machine, ...args, '--', ...command], input === undefined ? {} : { input });
  const changeDisk = async (): Promise<void> => writeToNow(await show(), 9, 100_000, 4096);

  /** A command that waits until the test has written to the machine's disk, as the guest would while it runs. */
  const writing = async (exitCode: number): Promise<{ run: Promise<CkptRun> }> => {
    const [ready, go] = [path.join(root, `${machine} ready`), path.join(root, `${machine} go`)];
    await writeFile(
      writer,
      `import { writeFileSync, existsSync } from 'node:fs';
       writeFileSync(process.argv[2], '');
       const timer = setInterval(() => { if (existsSync(process.argv[3])) { clearInterval(timer); console.log('done'); process.exitCode = Number(process.argv[4]); } }, 20);`,
    );
    const args = exitCode === 5 ? ['--on-fail', 'revert'] : [];
    const run = guard(args, [node, writer, ready, go, String(exitCode)]);
    await until(
      'the command to run',
      () =>
        readFile(ready).then(
          () => true,
          () => false,
        ),
      { timeoutMilliseconds: 30_000 },
    );
    await changeDisk();
    await writeFile(go, '');
    return { run };
  };

  it('a command that writes → a pair with its exit code, one step in the tree; its output is passed through', async () => {
    const { code, stdout, stderr } = await (await writing(0)).run;
    assert.deepEqual([code, stdout], [0, 'done\n'], stderr);
    const { checkpoints, now } = await show();
    const [before, after] = checkpoints;
    assert.equal(checkpoints.length, 2);
    assert.equal(before?.guard?.end?.exitCode, 0);
    assert.equal(before.createdBy, 'guard');
    assert.equal(after?.guardOf, before.id);
    assert.equal(now.parent, after.id);
    const listed = await runCkpt(home, ['show', machine]);
    const steps = listed.stdout.split('\n').filter((line) => line.includes('guarded'));
    assert.equal(steps.length, 1, listed.stdout);
    assert.match(steps[0] ?? '', /writer\.mjs.*guarded {2}exit code 0 {2}kept/);
  });

  it('nothing was written → both go to the trash, the exit code stays', async () => {
    const { code, stderr } = await guard(['--on-fail', 'keep'], [node, '-e', 'process.exit(7)']);
    assert.equal(code, 7);
    assert.match(stderr, /No disk .* was written/);
    const { checkpoints, trash, now } = await show();
    assert.deepEqual([checkpoints, trash.length, now.parent], [[], 2, undefined]);
  });

  it('the command fails, --on-fail revert → Now is what it was, and what it left can be undone to', async () => {
    const { code } = await (await writing(5)).run;
    assert.equal(code, 5);
    const { checkpoints, now } = await show();
    const before = checkpoints.find(({ guard: found }) => found !== undefined);
    assert.equal(before?.guard?.end?.outcome, 'reverted');
    assert.equal(now.parent, before.id);
    assert.ok(now.undo !== undefined);
  });

  it('the command fails without a terminal → kept, and it says that nobody can be asked', async () => {
    const { code, stderr } = await (await writing(3)).run;
    assert.equal(code, 3);
    assert.match(stderr, /exit code 3.*Nobody can be asked without a terminal, so it is kept/);
    assert.equal((await show()).checkpoints.length, 2);
  });

  it('no checkpoint can be taken → the command does not run, exit code 125', async () => {
    const trace = path.join(root, 'ran');
    const run = await runCkpt(home, [
      'guard',
      'nowhere',
      '--',
      node,
      '-e',
      `require('fs').writeFileSync(${JSON.stringify(trace)}, '')`,
    ]);
    assert.equal(run.code, 125);
    assert.match(run.stderr, /no machine “nowhere”.*The command was not run/s);
    await assert.rejects(readFile(trace), { code: 'ENOENT' });
  });

  it('there is no such program → 127, and no pair stays', async () => {
    const { code, stderr } = await guard([], ['no-such-program-anywhere']);
    assert.equal(code, 127);
    assert.match(stderr, /no such program/);
    assert.deepEqual((await show()).checkpoints, []);
  });

  it('input goes to the command; an option after -- is its own, --json before it is the guard’s', async () => {
    const echo = [
      '-e',
      'process.stdin.pipe(process.stdout); console.error(process.argv.slice(1).join())',
      '--',
      '--json',
    ];
    const plain = await guard([], [node, ...echo], 'hello');
    assert.equal(plain.stdout, 'hello');
    assert.match(plain.stderr, /^--json$/m);
    const json = await guard(['--json'], [node, ...echo], 'hello');
    const parsed: unknown = JSON.parse(json.stdout);
    assert.ok(typeof parsed === 'object' && parsed !== null && 'isEmpty' in parsed && 'end' in parsed);
    assert.match(json.stderr, /hello/);
  });

  it('a signal goes to the command, whose end is told as a shell does', async () => {
    const child = spawn(
      node,
      [engineFile, 'guard', machine, '--', node, '-e', "console.log('up'); setInterval(() => {}, 1000)"],
      {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    assert.equal(code, 128 + 15);
    const { checkpoints, guards } = await show();
    assert.deepEqual([checkpoints, guards], [[], undefined]);
  });

  it('killed in the middle → the list says so and what to do; end-guard does it', async () => {
    const child = spawn(
      node,
      [engineFile, 'guard', machine, '--', node, '-e', 'console.log(process.pid); setTimeout(() => {}, 60_000)'],
      {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const said = await new Promise((resolve) => child.stdout.once('data', resolve));
    assert.equal((await show()).guards?.[0]?.state, 'running');
    child.kill('SIGKILL');
    await once(child, 'exit');
    process.kill(Number(String(said)), 'SIGKILL');
    const { guards } = await show();
    assert.equal(guards?.[0]?.state, 'interrupted');
    const { stdout } = await runCkpt(home, ['list']);
    assert.match(stdout, /was interrupted.*ckpt end-guard .* --outcome revert goes back to “before node/);
    await changeDisk();
    const ended = await ckpt.run('guardEnd', ['end-guard', machine, '--outcome', 'revert']);
    assert.equal(ended.before.guard?.end?.outcome, 'reverted');
    assert.ok(ended.kept !== undefined);
    assert.equal((await show()).guards, undefined);
    const again = await runCkpt(home, ['end-guard', machine, '--outcome', 'keep', '--json']);
    assert.match(again.stdout, /CheckpointNotFound/);
  });

  it('end-guard goes on from a second checkpoint that was taken already', async () => {
    const engine = engineOf(home);
    const { checkpoint } = await engine.guards.guardBegin({ machine, command: ['make'] }, {});
    await changeDisk();
    const params = { machine, checkpoint: checkpoint.id, end: { exitCode: 0 }, outcome: 'keep' } as const;
    const first = await engine.guards.guardEnd(params, {});
    await assert.rejects(engine.guards.guardEnd(params, {}), { code: 'InvalidArgument' });
    assert.equal(first.isEmpty, false);
    assert.equal((await show()).checkpoints.length, 2);
  });

  it('Now went elsewhere meanwhile → no second checkpoint', async () => {
    const engine = engineOf(home);
    await engine.service.take({ machine, name: 'root' }, {});
    const { checkpoint } = await engine.guards.guardBegin({ machine, command: ['make'] }, {});
    await engine.service.apply({ machine, checkpoint: 'root' }, {});
    const ended = await engine.guards.guardEnd(
      { machine, checkpoint: checkpoint.id, end: { exitCode: 0 }, outcome: 'keep' },
      {},
    );
    assert.deepEqual([ended.after, ended.isEmpty], [undefined, false]);
  });
});

it('the name of a command is one that a checkpoint may have', () => {
  assert.equal(commandName(['/usr/bin/npm', 'ci', '--prefix', "/srv/'a'"]), 'npm ci --prefix ∕srv∕a');
  assert.equal([...commandName(['x', 'y'.repeat(300)])].length, 61);
  assert.equal(commandName(['./install.sh', 'a\nb']), 'install.sh a b');
});
