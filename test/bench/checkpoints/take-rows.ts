import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { timed, type BenchRow } from '../disks/row.ts';
import { startEngine } from './engine-client.ts';
import { libvirtProblem } from '../libvirt/daemon.ts';
import { LibvirtDomain } from './libvirt-domain.ts';

const virtualSizeBytes = 64 * 1024 ** 3;

/** A checkpoint of a stopped machine with one disk, all of it durable. */
export const takeRows: readonly BenchRow[] = [
  {
    name: `take, stopped (${libvirtProblem === undefined ? 'virsh snapshot-create-as' : `${libvirtProblem}: no peer`})`,
    reach: '≤ 15 ms and ≥ 3 ×',
    isReached: (ours, peer) => ours <= 15 && peer / ours >= 3,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, peerDisk] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      await create(peerDisk, { format: 'qcow2', virtualSizeBytes });
      await engine.request('addMachine', { name: 'lab', disk });
      const domain = libvirtProblem === undefined ? await LibvirtDomain.define(folder, peerDisk) : undefined;
      let count = 0;
      return {
        ours: () => timed(() => engine.request('take', { machine: 'lab' })),
        ...(domain === undefined ? {} : { peer: () => timed(() => domain.snapshot(`s${(count += 1)}`)) }),
        async after() {
          await domain?.remove();
          await engine.stop();
        },
      };
    },
  },
];
