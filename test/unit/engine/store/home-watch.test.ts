import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Home } from '../../../../engine/store/home.ts';
import { HomeWatch } from '../../../../engine/store/home-watch.ts';
import { withLock } from '../../../../engine/store/machine-lock.ts';
import { processIdentity } from '../../../../engine/store/process-identity.ts';
import { folderOf } from '../temporary-folder.ts';

const limit = { timeout: 20_000 };
const purpose = { operation: 'rename', face: 'this test' };
/** Longer than it takes to tell of a change. */
const aWhileMs = 100;
const neverMs = 600_000;

interface WatchedMachine {
  folder: string;
  told: (string[] | undefined)[];
  /** Resolves when something is told from now on. */
  nextTold: () => Promise<void>;
}

async function watchedMachine(context: TestContext, longMs?: number): Promise<WatchedMachine> {
  const home = new Home(await folderOf(context));
  const folder = path.join(home.machines, 'lab');
  await mkdir(path.join(folder, 'checkpoints'), { recursive: true });
  const told: (string[] | undefined)[] = [];
  let wake = (): void => undefined;
  const watch = new HomeWatch(
    home,
    (machines) => {
      told.push(machines);
      wake();
    },
    longMs,
  );
  watch.start();
  context.after(() => watch.close());
  return {
    folder,
    told,
    nextTold: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
  };
}

test('a short change under a lock → told once, when the lock is given back', limit, async (context) => {
  const { folder, told, nextTold } = await watchedMachine(context, neverMs);
  let next = nextTold();
  await withLock(path.join(folder, 'lock'), 'Machine “lab”', purpose, async () => {
    await writeFile(path.join(folder, 'checkpoints', 'one.json'), '{}');
    assert.equal(await Promise.race([next, delay(aWhileMs, 'nothing')]), 'nothing');
    await writeFile(path.join(folder, 'now.json'), '{}');
  });
  await next;
  next = nextTold();
  assert.equal(await Promise.race([next, delay(aWhileMs, 'nothing')]), 'nothing');
  assert.deepEqual(told, [['lab']]);
});

test('a long change under a lock → told while it lasts, and when the lock is given back', limit, async (context) => {
  const { folder, told, nextTold } = await watchedMachine(context);
  let next = nextTold();
  await withLock(path.join(folder, 'lock'), 'Machine “lab”', purpose, async () => {
    await writeFile(path.join(folder, 'now.json'), '{}');
    await next;
    next = nextTold();
  });
  await next;
  assert.deepEqual(told, [['lab'], ['lab']]);
});

test('a change without a lock → told', limit, async (context) => {
  const { folder, told, nextTold } = await watchedMachine(context);
  const next = nextTold();
  await writeFile(path.join(folder, 'checkpoints', 'one.json'), '{}');
  await next;
  assert.deepEqual(told, [['lab']]);
});

test('who holds the lock dies, which no file tells → told', limit, async (context) => {
  const { folder, told, nextTold } = await watchedMachine(context, neverMs);
  const holder = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  context.after(() => holder.kill('SIGKILL'));
  await once(holder, 'spawn');
  const { pid = 0 } = holder;
  const identity = await processIdentity(pid);
  const next = nextTold();
  const lock = path.join(folder, 'lock');
  await writeFile(`${lock}.new`, JSON.stringify({ pid, identity, ...purpose, since: new Date().toISOString() }));
  await rename(`${lock}.new`, lock);
  // Longer than from one look to the next.
  assert.equal(await Promise.race([next, delay(1500, 'nothing')]), 'nothing');
  holder.kill('SIGKILL');
  await next;
  assert.deepEqual(told, [['lab']]);
});
