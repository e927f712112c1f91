import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import { runProgram } from '../../support/project.ts';
import { timed, timesFaster, type BenchRow } from './row.ts';

const layers = 50;
const virtualSizeBytes = 64 * 1024 ** 3;

/** Opening a deep chain, and reading 4 KiB of its base; qemu-img and qemu-io read the same chain in qcow2. */
export const chainRows: readonly BenchRow[] = (['qcow2', 'vhdx', 'vhd'] as const).map((format) => ({
  name: `open a chain of ${layers} and read 4 KiB: ${format}`,
  ...timesFaster(5),
  async prepare(folder) {
    const top = await makeDeepChain(folder, format);
    const peerTop = format === 'qcow2' ? top : await makeDeepChain(folder, 'qcow2');
    return {
      ours: () =>
        timed(async () => {
          const chain = await openChain(top);
          await chain.top.read(Buffer.alloc(4096), virtualSizeBytes / 2);
          await chain.close();
        }),
      peer: () =>
        timed(async () => {
          await runProgram('qemu-img', ['info', '--backing-chain', peerTop]);
          await runProgram('qemu-io', ['-r', '-f', 'qcow2', '-c', `read ${virtualSizeBytes / 2} 4096`, peerTop]);
        }),
    };
  },
}));

async function makeDeepChain(folder: string, format: 'qcow2' | 'vhdx' | 'vhd'): Promise<string> {
  let top = path.join(folder, `0.${format}`);
  await create(top, { format, virtualSizeBytes });
  const base = await openChain(top, { access: () => 'write' });
  await base.top.write(Buffer.alloc(4096, 1), virtualSizeBytes / 2);
  await base.close();
  for (let depth = 1; depth < layers; depth++) {
    const child = path.join(folder, `${depth}.${format}`);
    await create(child, { format, parent: { file: top } });
    top = child;
  }
  return top;
}
