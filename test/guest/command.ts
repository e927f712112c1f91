import { spawn } from 'node:child_process';

export interface CommandOptions {
  /** Working folder of the command. */
  cwd?: string;
  /** Added to this process's environment. */
  env?: Readonly<Record<string, string>>;
  /** Written to the command's standard input. */
  input?: string;
  signal?: AbortSignal | undefined;
}

/** The file system tools lie where only root looks by default. */
const searchPath = [process.env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(':');

export interface CommandResult {
  stdout: string;
  stderr: string;
}

/** Runs a command without a shell. If it fails, the error carries the end of what it said. */
export async function runCommand(
  file: string,
  commandArguments: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { cwd, env, input, signal } = options;
  const child = spawn(file, commandArguments, { cwd, env: { ...process.env, PATH: searchPath, ...env }, signal });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends without reading its input is judged by its exit code, not by the broken pipe.
  child.stdin.on('error', () => undefined).end(input);

  const ending = await new Promise<string | undefined>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signalName) =>
      resolve(code === 0 ? undefined : signalName ? `was ended by ${signalName}` : `ended with ${code}`),
    );
  });
  if (ending !== undefined) {
    const messages = `${stdout}\n${stderr}`.trim().split('\n').slice(-10).join('\n');
    throw new Error(`${file} ${commandArguments.join(' ')} ${ending}:\n${messages}`);
  }
  return { stdout, stderr };
}
