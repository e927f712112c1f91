import path from 'node:path';
import { build } from 'esbuild';
import { projectFolder } from '../project.ts';

/**
 * Makes what a real engine loads first to have something go wrong; see `preload.ts`.
 * @returns the environment of such an engine, without a fault yet; the file that it writes the number of its calls to
 */
export async function faultPreload(folder: string): Promise<{ env: NodeJS.ProcessEnv; counted: string }> {
  const preload = path.join(folder, 'preload.cjs');
  await build({
    entryPoints: [path.join(projectFolder, 'test/support/faults/preload.ts')],
    outfile: preload,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  const counted = path.join(folder, 'calls');
  return { env: { NODE_OPTIONS: `--require "${preload}"`, CKPT_FAULT_CALLS: counted }, counted };
}
