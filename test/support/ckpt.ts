import { spawn } from 'node:child_process';
import type { OperationName, Result } from '../../engine/protocol/operations.ts';
import type { WireError } from '../../engine/protocol/errors.ts';
import { engineFile } from './project.ts';

export interface CkptRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built engine as `ckpt` on a home. */
export function runCkpt(
  home: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<CkptRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [engineFile, ...args], {
      env: { ...process.env, ...options.env, VM_CHECKPOINTS_HOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(options.input ?? '');
  });
}

/** A refusal as `--json` prints it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly error: WireError;
  readonly exitCode: number | null;

  constructor(error: WireError, exitCode: number | null) {
    super(`${error.code}: ${error.message}`);
    this.error = error;
    this.exitCode = exitCode;
  }
}

/** `ckpt VERB --json` on one home, one process a call. */
export class Ckpt {
  readonly home: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(home: string, env: NodeJS.ProcessEnv = {}) {
    this.home = home;
    this.#env = env;
  }

  /**
   * @param _operation whose result the verb prints; gives the answer its type
   * @throws Refusal when the engine refuses
   */
  async run<K extends OperationName>(_operation: K, args: string[]): Promise<Result<K>> {
    const run = await runCkpt(this.home, [...args, '--json'], { env: this.#env });
    const answer: Result<K> | { error: WireError } = parseOutput(run);
    if ('error' in answer) {
      throw new Refusal(answer.error, run.code);
    }
    if (run.code !== 0) {
      throw new Error(`ckpt ${args.join(' ')} printed a result and exited with ${String(run.code)}`);
    }
    return answer;
  }
}

// The type is the caller's expectation; the assertions of the tests are the check.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
function parseOutput<T>(run: CkptRun): T {
  try {
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return
    return JSON.parse(run.stdout);
  } catch {
    throw new Error(`not one JSON object (exit code ${String(run.code)}): ${run.stdout}\n${run.stderr}`);
  }
}
