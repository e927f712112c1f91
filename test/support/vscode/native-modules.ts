import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { rebuildNative } from './npm.ts';
import { runProgram } from './program.ts';

/** A package of VS Code with a part in C++, and what is missing without it. */
export interface NativeModule {
  readonly packageName: string;
  readonly missing: string;
}

/** Runs shells: terminals, tasks. Newer releases ship it compiled. */
export const terminalModule: NativeModule = {
  packageName: 'node-pty',
  missing: 'terminals and shell tasks will not start',
};

/** Writes log files, which log output channels are read back from. Never ships compiled. */
export const logModule: NativeModule = {
  packageName: '@vscode/spdlog',
  missing: 'log files and log output channels will stay empty',
};

/**
 * Compiles a native module unless it came compiled.
 * @returns whether it can be loaded; it is optional, so a machine without a compiler only gets a line in the log
 */
export async function ensureNative(
  module: NativeModule,
  serverRoot: string,
  nodeRoot: string,
  log: (line: string) => void,
): Promise<boolean> {
  const folder = path.join(serverRoot, 'node_modules', module.packageName);
  if (await hasLoadable(folder, nodeRoot)) return true;
  log(`compiling ${module.packageName}`);
  let reason = 'it was compiled but does not load';
  try {
    await rebuildNative(serverRoot, module.packageName, nodeRoot);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  if (await hasLoadable(folder, nodeRoot)) return true; // a package's later scripts may fail after a good compilation
  log(
    `${module.packageName} could not be compiled, so ${module.missing}. That needs a C++ compiler, make and Python 3.`,
  );
  log(reason);
  return false;
}

async function hasLoadable(packageFolder: string, nodeRoot: string): Promise<boolean> {
  for (const folder of ['build/Release', `prebuilds/${process.platform}-${process.arch}`]) {
    const absolute = path.join(packageFolder, folder);
    if (!existsSync(absolute)) continue;
    const binary = (await readdir(absolute)).find((name) => name.endsWith('.node'));
    if (binary === undefined) continue;
    try {
      await runProgram({
        executable: path.join(nodeRoot, 'bin/node'),
        arguments: ['--eval', 'require(process.argv[1])', path.join(absolute, binary)],
        folder: packageFolder,
        timeoutMilliseconds: 30_000,
      });
      return true;
    } catch {
      // compiled for another Node, or another C library: compile it here
    }
  }
  return false;
}
