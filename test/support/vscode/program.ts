import { once } from 'node:events';
import { cleanEnvironment } from './environment.ts';
import { spawnGroup } from './process-group.ts';

/** One call of a program that is expected to end by itself. */
export interface ProgramRun {
  readonly executable: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  /** Prepended to PATH. */
  readonly pathFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly timeoutMilliseconds: number;
}

const keptLines = 15;

/**
 * Runs a program to its end.
 * @returns its standard output
 * @throws with the last lines that it printed when it exits non-zero, cannot be started or takes too long
 */
export async function runProgram(run: ProgramRun): Promise<string> {
  const called = [run.executable, ...run.arguments].join(' ');
  const path = process.env['PATH'] ?? '';
  const group = await spawnGroup({
    executable: run.executable,
    arguments: run.arguments,
    folder: run.folder,
    environment: cleanEnvironment({
      ...(run.pathFolder === undefined ? {} : { PATH: `${run.pathFolder}:${path}` }),
      ...run.environment,
    }),
  }).catch((error: unknown) => {
    throw new Error(`\`${called}\` could not be started: ${String(error)}`, { cause: error });
  });
  const closed = once(group.child, 'close');
  let output = '';
  let printed = '';
  group.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    printed += text;
  });
  group.child.stderr?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
    void group.end(0);
  }, run.timeoutMilliseconds);
  const { code, signal } = await group.exited;
  clearTimeout(timer);
  await group.end(0); // before waiting for the pipes, which a descendant may hold open
  await closed;
  if (code === 0) return output;
  const ending = late.signal.aborted
    ? `took longer than ${run.timeoutMilliseconds / 60_000} min`
    : `failed (${code === null ? String(signal) : `exit code ${code}`})`;
  const lines = printed.trim().split('\n').slice(-keptLines);
  throw new Error(`\`${called}\` ${ending}. Its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}
