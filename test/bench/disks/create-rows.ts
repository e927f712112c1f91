import { rm } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { within, type BenchRow } from './row.ts';

const gib = 1024 ** 3;
const times = 20;

/** A differencing layer, fsynced, in the engine; and by qemu-img as a process, not synced. */
export const createRows: readonly BenchRow[] = (['qcow2', 'vhdx', 'vhd'] as const).map((format) => ({
  name: `create a differencing layer: ${format}`,
  ...within(4),
  async prepare(folder) {
    const base = path.join(folder, `base.${format}`);
    const peerBase = path.join(folder, 'peer-base.qcow2');
    await create(base, { format, virtualSizeBytes: 64 * gib });
    await create(peerBase, { format: 'qcow2', virtualSizeBytes: 64 * gib });
    return {
      async ours() {
        let elapsed = 0;
        for (let time = 0; time < times; time++) {
          const file = path.join(folder, `child.${format}`);
          const began = performance.now();
          await create(file, { format, parent: { file: base } });
          elapsed += performance.now() - began;
          await rm(file);
        }
        return elapsed / times;
      },
      async peer() {
        let elapsed = 0;
        for (let time = 0; time < times; time++) {
          const file = path.join(folder, 'peer.qcow2');
          const began = performance.now();
          await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', peerBase, '-F', 'qcow2', file]);
          elapsed += performance.now() - began;
          await rm(file);
        }
        return elapsed / times;
      },
    };
  },
}));
