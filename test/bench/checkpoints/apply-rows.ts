import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes } from '../disks/made-disks.ts';
import { timed, type BenchRow } from '../disks/row.ts';
import { scatterData, writeData, type Spread } from './disk-content.ts';
import { startEngine } from './engine-client.ts';
import { hasQemuImg } from './peers.ts';

/** Back to a checkpoint since which much was changed; Now is kept. The peer's snapshots are inside its image. */
export const applyRows: readonly BenchRow[] = [
  applyRow('in one run', 4 * dataBytes),
  applyRow('scattered', 64 * dataBytes),
];

function applyRow(spread: Spread, virtualSizeBytes: number): BenchRow {
  const peer = hasQemuImg ? 'qemu-img snapshot -a' : 'no qemu-img: no peer';
  const change = (file: string, baseFolder?: string): Promise<void> =>
    spread === 'scattered' ? scatterData(file, 1, baseFolder) : writeData(file, 0, 1, baseFolder);
  return {
    name: `apply, stopped, changed ${spread} (${peer})`,
    reach: '≤ 20 ms and ≥ 5 ×',
    isReached: (ours, peer) => ours <= 20 && peer / ours >= 5,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, peerDisk] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      await engine.request('addMachine', { name: 'lab', disk });
      const { checkpoint } = await engine.request('take', { machine: 'lab' });
      const { machine } = await engine.request('show', { machine: 'lab' });
      await change(machine.disks[0]?.activeLayer ?? '', folder);
      if (hasQemuImg) {
        await create(peerDisk, { format: 'qcow2', virtualSizeBytes });
        await runProgram('qemu-img', ['snapshot', '-c', 'base', peerDisk]);
        await change(peerDisk);
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
  };
}
