import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import path from 'node:path';
import { startNbdServer } from '../../../engine/disks/nbd/server.ts';
import { create } from '../../../engine/disks/operations/create.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes, fillDisk } from './made-disks.ts';
import { timesFaster, type BenchRow } from './row.ts';

const kib = 1024;

/** Our server and qemu-nbd over the same qcow2, asked by the same client. */
export const nbdRows: readonly BenchRow[] = [
  nbdRow('read all by NBD, 16 × 256 KiB in flight', {
    bytes: 256 * kib,
    step: 256 * kib,
    count: Math.floor(dataBytes / (256 * kib)),
  }),
  // A step that has no common divisor with the disk's size visits every 4 KiB in no useful order.
  nbdRow('read 4 KiB by NBD at random, 16 in flight', { bytes: 4 * kib, step: 4 * kib * 25_013, count: 40_000 }),
];

interface Requests {
  bytes: number;
  step: number;
  count: number;
}

function nbdRow(name: string, requests: Requests): BenchRow {
  return {
    name,
    ...timesFaster(0.7),
    async prepare(folder) {
      const disk = path.join(folder, 'disk.qcow2');
      await create(disk, { format: 'qcow2', virtualSizeBytes: dataBytes });
      await fillDisk(disk, 5);
      const chain = await openChain(disk);
      const server = await startNbdServer({
        chain: [chain.top],
        isReadOnly: true,
        socketPath: path.join(folder, 'ours', 'disk.sock'),
      });
      const peer = await startPeer(disk, path.join(folder, 'peer.sock'));
      return {
        ours: () => read(server.uri, requests),
        peer: () => read(peer.uri, requests),
        async after() {
          peer.stop();
          await server.stop();
          await chain.close();
        },
      };
    },
  };
}

async function startPeer(disk: string, socket: string): Promise<{ uri: string; stop: () => void }> {
  const ready = new Promise<void>((resolve) => {
    const watcher = watch(path.dirname(socket), () => {
      if (existsSync(socket)) {
        watcher.close();
        resolve();
      }
    });
  });
  const child = spawn('qemu-nbd', ['-r', '-t', '-e', '4', '-f', 'qcow2', '-k', socket, disk], { stdio: 'ignore' });
  await ready;
  return { uri: `nbd+unix:///?socket=${socket}`, stop: () => child.kill() };
}

/** @returns the time that the client says the requests took, in ms */
async function read(uri: string, { bytes, step, count }: Requests): Promise<number> {
  const asked = ['-s', String(bytes), '-S', String(step), '-c', String(count), '-d', '16'];
  const output = await runProgram('qemu-img', ['bench', '-f', 'raw', ...asked, uri]);
  const seconds = /completed in ([\d.]+) seconds/.exec(output)?.[1];
  if (seconds === undefined) {
    throw new Error(`qemu-img bench said: ${output}`);
  }
  return Number(seconds) * 1000;
}
