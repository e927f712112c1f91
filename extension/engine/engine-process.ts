import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import * as vscode from 'vscode';
import type { EngineProgram } from './environment.ts';
import { lastWords } from './last-words.ts';

/** How long a process whose connection was lost has to end by itself, so that its exit code can be told. */
export const lastWordsMs = 1000;

/** How the engine's process came to its end, as sentences for the user. */
export type EngineExit = string;

const endLimitMs = 15_000;
/** More than a stack trace has. */
const keptLines = 40;

/** The engine's process: started with pipes for JSON-RPC, its error output in the log, its end told once. */
export class EngineProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Never rejects. */
  readonly exit: Promise<EngineExit>;

  constructor(program: EngineProgram, log: vscode.LogOutputChannel) {
    this.child = spawn(program.node, [program.script, 'serve', '--stdio'], {
      // Not the workspace: a process that stands in a folder keeps it from being deleted on Windows.
      cwd: homedir(),
      env: { ...process.env, ...program.environment },
      windowsHide: true,
    });
    const lines: string[] = [];
    createInterface({ input: this.child.stderr }).on('line', (line) => {
      log.info(`engine: ${line}`);
      lines.push(line.trim());
      lines.splice(0, lines.length - keptLines);
    });
    this.exit = new Promise((resolve) => {
      this.child.once('error', (error) => {
        resolve(vscode.l10n.t('It could not be run: {0}.', error.message));
      });
      // Not "exit": its last words on the error output come before "close".
      this.child.once('close', (code, signal) => {
        resolve(describeEnd(code, signal, lastWords(lines)));
      });
    });
  }

  /** Ends the process when it has not ended by itself in time; resolves when it is gone. */
  async end(limitMs = endLimitMs): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    await this.exit;
    clearTimeout(timer);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null, words: string | undefined): string {
  const end =
    signal === null
      ? vscode.l10n.t('It ended with exit code {0}.', String(code))
      : vscode.l10n.t('It was ended by signal {0}.', signal);
  return words === undefined ? end : vscode.l10n.t('{0} Its last words: {1}', end, words);
}
