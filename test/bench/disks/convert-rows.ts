import { rm } from 'node:fs/promises';
import path from 'node:path';
import { compare } from '../../../engine/disks/operations/compare.ts';
import { convert } from '../../../engine/disks/operations/convert.ts';
import { create } from '../../../engine/disks/operations/create.ts';
import type { DiskFormat } from '../../../engine/model/machine.ts';
import { runProgram } from '../../support/project.ts';
import { dataBytes, fillDisk, qemuName, writeCompressible } from './made-disks.ts';
import { timed, timesFaster, within, type BenchRow } from './row.ts';

/** Ours ends with everything synced; qemu-img is told to do the same (`-t writeback`), for by default it does not. */
function convertRow(from: DiskFormat, to: DiskFormat, factor: number, isCompressed = false): BenchRow {
  return {
    name: `convert ${from}${isCompressed ? ' zlib' : ''} to ${to}`,
    ...timesFaster(factor),
    async prepare(folder) {
      const source = path.join(folder, `source.${from}`);
      const [target, peerTarget] = [path.join(folder, `ours.${to}`), path.join(folder, `peer.${to}`)];
      if (isCompressed) {
        const raw = path.join(folder, 'source.raw');
        await writeCompressible(raw);
        await runProgram('qemu-img', ['convert', '-c', '-f', 'raw', '-O', qemuName[from], raw, source]);
        await rm(raw);
      } else {
        await create(source, { format: from, virtualSizeBytes: dataBytes });
        await fillDisk(source, 4, from === 'raw' ? 'raw' : undefined);
      }
      return {
        async before() {
          await rm(target, { force: true });
          await rm(peerTarget, { force: true });
        },
        ours: () => timed(() => convert(source, target, { to, ...(from === 'raw' ? { format: 'raw' as const } : {}) })),
        peer: () => {
          const formats = ['-f', qemuName[from], '-O', qemuName[to]];
          return timed(() => runProgram('qemu-img', ['convert', '-t', 'writeback', ...formats, source, peerTarget]));
        },
      };
    },
  };
}

const tib = 1024 ** 4;

export const convertRows: readonly BenchRow[] = [
  convertRow('vhdx', 'raw', 1),
  convertRow('raw', 'vhdx', 1),
  convertRow('raw', 'qcow2', 1),
  convertRow('qcow2', 'raw', 1.5, true),
  {
    name: 'convert an empty 1 TiB vhdx to qcow2',
    ...within(300),
    mostRounds: 1,
    async prepare(folder) {
      const source = path.join(folder, 'source.vhdx');
      const [target, peerTarget] = [path.join(folder, 'ours.qcow2'), path.join(folder, 'peer.qcow2')];
      await create(source, { format: 'vhdx', virtualSizeBytes: tib });
      return {
        async before() {
          await rm(target, { force: true });
          await rm(peerTarget, { force: true });
        },
        ours: () => timed(() => convert(source, target, { to: 'qcow2' })),
        peer: () => timed(() => runProgram('qemu-img', ['convert', '-f', 'vhdx', '-O', 'qcow2', source, peerTarget])),
      };
    },
  },
  {
    name: 'compare two empty vhdx of 1 TiB',
    ...within(300),
    mostRounds: 1,
    async prepare(folder) {
      const [a, b] = [path.join(folder, 'a.vhdx'), path.join(folder, 'b.vhdx')];
      await create(a, { format: 'vhdx', virtualSizeBytes: tib });
      await create(b, { format: 'vhdx', virtualSizeBytes: tib });
      return {
        ours: () => timed(() => compare(a, b)),
        peer: () => timed(() => runProgram('qemu-img', ['compare', '-f', 'vhdx', '-F', 'vhdx', a, b])),
      };
    },
  },
];
