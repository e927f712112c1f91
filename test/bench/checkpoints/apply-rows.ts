import { open } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes } from '../disks/made-disks.ts';
import { timed, timesFaster, within, type BenchRow } from '../disks/row.ts';
import { scatterData, writeData, type Spread } from './disk-content.ts';
import { startEngine } from './engine-client.ts';
import { hasQemuImg } from './peers.ts';

/** What becomes of the state that is there when a checkpoint is applied. */
type Present = 'kept' | 'discarded';

/**
 * Back to a checkpoint since which much was changed. The peer's snapshots are inside its image. It discards what was
 * changed, and that takes it the longer the more it was; ours keeps it for an undo. So both are measured in the other
 * way as well: the peer with what was changed in a second snapshot, ours with `--discard-now`.
 */
export const applyRows: readonly BenchRow[] = (['in one run', 'scattered'] as const).flatMap((spread) => [
  applyRow(spread, 'kept', 'discarded', {
    reach: '≤ 20 ms and ≥ 5 ×',
    isReached: (ours, peer) => ours <= 20 && peer / ours >= 5,
  }),
  applyRow(spread, 'kept', 'kept', within(20)),
  applyRow(spread, 'discarded', 'discarded', timesFaster(1)),
]);

function applyRow(
  spread: Spread,
  oursIs: Present,
  peersIs: Present,
  reach: Pick<BenchRow, 'reach' | 'isReached'>,
): BenchRow {
  const peer = hasQemuImg ? `qemu-img snapshot -a, where it is ${peersIs}` : 'no qemu-img: no peer';
  const virtualSizeBytes = (spread === 'scattered' ? 64 : 4) * dataBytes;
  const change = (file: string, baseFolder?: string): Promise<void> =>
    spread === 'scattered' ? scatterData(file, 1, baseFolder) : writeData(file, 0, 1, baseFolder);
  return {
    name: `apply, stopped, changed ${spread} and ${oursIs} (${peer})`,
    ...reach,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, peerDisk] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      await engine.request('addMachine', { name: 'lab', disk });
      const { checkpoint } = await engine.request('take', { machine: 'lab' });
      const changeOurs = async (): Promise<void> => {
        const { machine } = await engine.request('show', { machine: 'lab' });
        await change(machine.disks[0]?.activeLayer ?? '', folder);
      };
      await changeOurs();
      if (hasQemuImg) {
        await create(peerDisk, { format: 'qcow2', virtualSizeBytes });
        await runProgram('qemu-img', ['snapshot', '-c', 'base', peerDisk]);
        await change(peerDisk);
        if (peersIs === 'kept') {
          await runProgram('qemu-img', ['snapshot', '-c', 'changed', peerDisk]);
        }
      }
      let isApplied = false;
      let isPeersApplied = false;
      return {
        async before() {
          if (isApplied) {
            await (oursIs === 'kept' ? engine.request('undo', { machine: 'lab' }) : changeOurs());
            isApplied = false;
          }
          if (isPeersApplied) {
            await (peersIs === 'kept'
              ? runProgram('qemu-img', ['snapshot', '-a', 'changed', peerDisk])
              : change(peerDisk));
            isPeersApplied = false;
          }
          if (hasQemuImg) {
            await makeDurable(peerDisk);
          }
        },
        async ours() {
          const elapsed = await timed(() =>
            engine.request('apply', {
              machine: 'lab',
              checkpoint: checkpoint.id,
              ...(oursIs === 'kept' ? {} : { discardNow: true }),
            }),
          );
          isApplied = true;
          return elapsed;
        },
        ...(hasQemuImg
          ? {
              async peer() {
                const elapsed = await timed(() => runProgram('qemu-img', ['snapshot', '-a', 'base', peerDisk]));
                isPeersApplied = true;
                return elapsed;
              },
            }
          : {}),
        after: () => engine.stop(),
      };
    },
  };
}

/** What was written is not the apply's to wait for. */
async function makeDurable(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
