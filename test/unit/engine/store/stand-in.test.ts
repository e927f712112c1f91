import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { until } from '../../../support/vscode/until.ts';
import { folderOf } from '../temporary-folder.ts';

const limit = { timeout: 60_000 };
const program = path.join(import.meta.dirname, 'stand-in-program.ts');

/** Runs the program until it has begun its stand-in. */
async function begin(context: TestContext, file: string, then: 'die' | 'dismiss'): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, file, then], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

/** Processes whose command line has that file in it. */
async function processesWith(file: string): Promise<number> {
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return found.filter((line) => line.includes(file)).length;
}

test('whoever began it is killed → it acts, at once, with what it was told', limit, async (context) => {
  const file = path.join(await folderOf(context), 'acted');
  const child = await begin(context, file, 'die');
  assert.equal(existsSync(file), false);
  child.kill('SIGKILL');
  await until('the stand-in to act', () => existsSync(file) && readFileSync(file, 'utf8') !== '', {
    timeoutMilliseconds: 20_000,
  });
  assert.equal(await readFile(file, 'utf8'), `stand-in ${file} --home /vms`);
});

test(
  'it is dismissed → it ends, and never acts; it keeps nobody waiting',
  { ...limit, skip: process.platform !== 'linux' && 'processes are counted by /proc' },
  async (context) => {
    const file = path.join(await folderOf(context), 'acted');
    const child = await begin(context, file, 'dismiss');
    if (child.exitCode === null) {
      await once(child, 'exit');
    }
    await until('the stand-in to end', async () => (await processesWith(file)) === 0, { timeoutMilliseconds: 20_000 });
    assert.equal(existsSync(file), false);
  },
);
