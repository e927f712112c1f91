import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes } from '../disks/made-disks.ts';
import { timed, type BenchRow } from '../disks/row.ts';
import { writeData } from './disk-content.ts';
import { startEngine } from './engine-client.ts';
import { hasQemuImg } from './peers.ts';

/** Back to a checkpoint since which much was changed; Now is kept. The peer's snapshots are inside its image. */
export const applyRows: readonly BenchRow[] = [
  {
    name: hasQemuImg ? 'apply, stopped (qemu-img snapshot -a)' : 'apply, stopped (no qemu-img: no peer)',
    reach: '≤ 20 ms and ≥ 5 ×',
    isReached: (ours, peer) => ours <= 20 && peer / ours >= 5,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, peerDisk] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      const virtualSizeBytes = 4 * dataBytes;
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      await engine.request('addMachine', { name: 'lab', disk });
      const { checkpoint } = await engine.request('take', { machine: 'lab' });
      const { machine } = await engine.request('show', { machine: 'lab' });
      await writeData(machine.disks[0]?.activeLayer ?? '', 0, 1, folder);
      if (hasQemuImg) {
        await create(peerDisk, { format: 'qcow2', virtualSizeBytes });
        await runProgram('qemu-img', ['snapshot', '-c', 'base', peerDisk]);
        await writeData(peerDisk, 0, 1);
        await runProgram('qemu-img', ['snapshot', '-c', 'changed', peerDisk]);
      }
      let isApplied = false;
      return {
        async before() {
          if (isApplied) {
            await engine.request('undo', { machine: 'lab' });
            isApplied = false;
          }
          if (hasQemuImg) {
            await runProgram('qemu-img', ['snapshot', '-a', 'changed', peerDisk]);
          }
        },
        async ours() {
          const elapsed = await timed(() => engine.request('apply', { machine: 'lab', checkpoint: checkpoint.id }));
          isApplied = true;
          return elapsed;
        },
        ...(hasQemuImg
          ? { peer: () => timed(() => runProgram('qemu-img', ['snapshot', '-a', 'base', peerDisk])) }
          : {}),
        after: () => engine.stop(),
      };
    },
  },
];
