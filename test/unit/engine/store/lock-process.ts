import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** Another process that takes a lock and holds it. */
export interface LockProcess {
  pid: number;
  outcome: 'held' | 'refused';
  /** Lets it give the lock back and end. */
  release(): Promise<void>;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

/** Starts one; it ends with the test at the latest. */
export async function lockProcess(context: TestContext, kind: 'kernel' | 'owner', file: string): Promise<LockProcess> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(import.meta.dirname, 'hold-lock.ts'), kind, file],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  context.after(() => child.kill('SIGKILL'));
  const said: unknown[] = await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    outcome: String(said[0]) === 'held\n' ? 'held' : 'refused',
    release: () => ended(child, () => child.stdin.end()),
    kill: () => ended(child, () => child.kill('SIGKILL')),
  };
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  const exit = once(child, 'exit');
  end();
  await exit;
}
