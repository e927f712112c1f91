import { open } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { timed, type BenchRow } from '../disks/row.ts';
import { startEngine } from './engine-client.ts';
import { defineDomain, hasLibvirt, virsh } from './libvirt-domain.ts';
import { hasQemuImg } from './peers.ts';

const virtualSizeBytes = 64 * 1024 ** 3;

/** A checkpoint of a stopped machine with one disk, all of it durable. */
export const takeRows: readonly BenchRow[] = [
  {
    name: `take, stopped (${hasLibvirt ? 'virsh snapshot-create-as' : hasQemuImg ? 'no libvirt: qemu-img create' : 'no libvirt, no qemu-img: no peer'})`,
    reach: '≤ 15 ms and ≥ 3 ×',
    isReached: (ours, peer) => ours <= 15 && peer / ours >= 3,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, peerDisk] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      await create(peerDisk, { format: 'qcow2', virtualSizeBytes });
      await engine.request('addMachine', { name: 'lab', disk });
      const domain = `ckpt-bench-${process.pid}`;
      const undefine = hasLibvirt ? await defineDomain(folder, domain, peerDisk) : undefined;
      let top = peerDisk;
      let count = 0;
      const takeByPeer = async (): Promise<void> => {
        count += 1;
        if (hasLibvirt) {
          await virsh('snapshot-create-as', domain, `s${count}`, '--disk-only');
        } else {
          const layer = path.join(folder, `peer-${count}.qcow2`);
          await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', top, '-F', 'qcow2', layer]);
          await syncFile(layer);
          top = layer;
        }
      };
      return {
        ours: () => timed(() => engine.request('take', { machine: 'lab' })),
        ...(hasLibvirt || hasQemuImg ? { peer: () => timed(takeByPeer) } : {}),
        async after() {
          await undefine?.();
          await engine.stop();
        },
      };
    },
  },
];

/** qemu-img create leaves a file that a power failure may take. */
async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
