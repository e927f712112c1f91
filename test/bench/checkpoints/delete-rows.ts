import { rm } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes } from '../disks/made-disks.ts';
import { timed, timesFaster, type BenchRow } from '../disks/row.ts';
import { writeData } from './disk-content.ts';
import { startEngine } from './engine-client.ts';
import { hasQemuImg } from './peers.ts';

/** Deleting for good a checkpoint between two layers that are equally full; it runs as a job. */
export const deleteRows: readonly BenchRow[] = [
  {
    name: hasQemuImg ? 'delete with a merge (qemu-img commit)' : 'delete with a merge (no qemu-img: no peer)',
    ...timesFaster(1),
    mostRounds: 3,
    async prepare(folder) {
      const engine = await startEngine(path.join(folder, 'home'));
      const [disk, parent, child] = ['ours', 'parent', 'child'].map((name) => path.join(folder, `${name}.qcow2`));
      if (disk === undefined || parent === undefined || child === undefined) {
        throw new Error('There are three names');
      }
      const virtualSizeBytes = 2 * dataBytes;
      await create(disk, { format: 'qcow2', virtualSizeBytes });
      let count = 0;
      let isMade = false;
      let machine = '';
      return {
        async before() {
          if (isMade) {
            return;
          }
          isMade = true;
          if (machine !== '') {
            await engine.request('removeMachine', { machine });
          }
          count += 1;
          machine = `lab-${count}`;
          await engine.request('addMachine', { name: machine, disk });
          for (const [at, name] of ['one', 'two'].entries()) {
            await engine.request('take', { machine, name });
            const shown = await engine.request('show', { machine });
            await writeData(shown.machine.disks[0]?.activeLayer ?? '', at * dataBytes, at + 1, folder);
          }
          await rm(parent, { force: true });
          await rm(child, { force: true });
          await create(parent, { format: 'qcow2', virtualSizeBytes });
          await writeData(parent, 0, 1);
          await create(child, { format: 'qcow2', parent: { file: parent } });
          await writeData(child, dataBytes, 2);
        },
        async ours() {
          const elapsed = await timed(async () => {
            const { movedBytes } = await engine.request('delete', { machine, checkpoint: 'two', purge: true });
            if (movedBytes !== dataBytes) {
              throw new Error(`${movedBytes} bytes were moved, not ${dataBytes}`);
            }
          });
          isMade = false;
          return elapsed;
        },
        ...(hasQemuImg ? { peer: () => timed(() => runProgram('qemu-img', ['commit', '-q', '-d', child])) } : {}),
        after: () => engine.stop(),
      };
    },
  },
];
