import { spawn } from 'node:child_process';
import path from 'node:path';

/** The repository. */
export const projectFolder = path.resolve(import.meta.dirname, '../..');

/** Everything that set-up makes and a clean checkout has not: git-ignored, safe to delete. */
export const cacheFolder = path.join(projectFolder, '.cache');

export const guestFolder = path.join(cacheFolder, 'guest');
export const codeServerFolder = path.join(cacheFolder, 'vscode');
export const engineFile = path.join(projectFolder, 'dist/engine.js');
export const vsixFile = path.join(cacheFolder, 'vm-checkpoints.vsix');
export const artifactsFolder = path.join(projectFolder, 'test/artifacts');

/** A program that failed, with the end of what it printed. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

/**
 * Runs a program to its end.
 * @returns what it printed on standard output
 * @throws ProgramError when it cannot be started or does not exit with 0
 */
export function runProgram(
  program: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: projectFolder, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let everything = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      everything += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      everything += chunk.toString();
    });
    child.once('error', (error) => reject(new ProgramError(`${program} could not be started: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) {
        resolve(output);
      } else {
        reject(
          new ProgramError(`${program} ${args.join(' ')} ended with ${String(code)}:\n${everything.slice(-4000)}`),
        );
      }
    });
  });
}
