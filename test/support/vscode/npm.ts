import { runProgram } from './program.ts';

/** What one npm call may take on a slow connection. */
const npmTimeoutMilliseconds = 10 * 60_000;

/** Runs npm in `folder`, with the Node in `nodeFolder`, if given, instead of the one on PATH. No package script runs. */
export async function runNpm(folder: string, argumentList: readonly string[], nodeFolder?: string): Promise<string> {
  return runProgram({
    executable: 'npm',
    arguments: [...argumentList, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    folder,
    ...(nodeFolder === undefined ? {} : { pathFolder: nodeFolder }),
    timeoutMilliseconds: npmTimeoutMilliseconds,
  });
}

/** Compiles the native part of one installed package with the headers in `nodeRoot`. */
export async function rebuildNative(folder: string, packageName: string, nodeRoot: string): Promise<void> {
  await runProgram({
    executable: 'npm',
    arguments: ['rebuild', packageName, '--loglevel=error'],
    folder,
    pathFolder: `${nodeRoot}/bin`,
    environment: { npm_config_nodedir: nodeRoot, npm_package_config_node_gyp_nodedir: nodeRoot },
    timeoutMilliseconds: npmTimeoutMilliseconds,
  });
}
