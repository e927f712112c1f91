// Runs as a process of its own: `node memory-use.ts FORMAT SIZE FOLDER` does everything to disks of that size; without
// arguments nothing. Prints the most memory that it ever took, in bytes.

import path from 'node:path';
import { startNbdServer } from '../../../../engine/disks/nbd/server.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { check } from '../../../../engine/disks/operations/check.ts';
import { compact } from '../../../../engine/disks/operations/compact.ts';
import { compare } from '../../../../engine/disks/operations/compare.ts';
import { convert } from '../../../../engine/disks/operations/convert.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { mapDisk } from '../../../../engine/disks/operations/map.ts';
import { merge } from '../../../../engine/disks/operations/merge.ts';
import { resize } from '../../../../engine/disks/operations/resize.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { runProgram } from '../../../support/project.ts';

const mebibyte = 2 ** 20;

async function write(file: string, sizeBytes: number, tag: number): Promise<void> {
  const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
  for (const part of [0, 0.3, 0.7, 0.99]) {
    const offset = Math.floor((sizeBytes * part) / mebibyte) * mebibyte + tag * 8192;
    await chain.top.write(Buffer.alloc(3 * mebibyte, tag), offset);
  }
  await chain.close();
}

async function doEverything(format: DiskFormat, sizeBytes: number, folder: string): Promise<void> {
  const names = ['base', 'middle', 'top'].map((name) => path.join(folder, `${name}.${format}`));
  const [base = '', middle = '', top = ''] = names;
  const target = path.join(folder, 'converted');
  if (format === 'vmdk') {
    const source = path.join(folder, 'source.qcow2');
    await create(source, { format: 'qcow2', virtualSizeBytes: sizeBytes });
    await write(source, sizeBytes, 1);
    await convert(source, base, { to: 'vmdk' });
  } else {
    await create(base, { format, virtualSizeBytes: sizeBytes - 1024 * mebibyte });
    await resize(base, sizeBytes, {});
    await write(base, sizeBytes, 1);
    for (const [parent, child] of [
      [base, middle],
      [middle, top],
    ] as const) {
      await create(child, { format, parent: { file: parent } });
      await write(child, sizeBytes, 2);
    }
    await compare(top, base);
  }
  const shown = format === 'vmdk' ? base : top;
  for await (const _extent of mapDisk(shown, {})) {
    // Looked at one by one.
  }
  await check(shown, { repair: false });
  await convert(shown, target, { to: 'qcow2', flatten: true });
  await serve(shown, folder);
  if (format !== 'vmdk') {
    await merge(top, { into: 'ancestor' });
    await merge(middle, { into: 'child' });
    await compact(middle, {});
  }
}

async function serve(file: string, folder: string): Promise<void> {
  const chain = await openChain(file);
  const server = await startNbdServer({
    chain: [chain.top, ...chain.layers.slice(1)],
    isReadOnly: true,
    socketPath: path.join(folder, 'sockets', 'nbd'),
  });
  await runProgram('qemu-img', ['map', '--output=json', '-f', 'raw', server.uri]);
  await runProgram('qemu-io', ['-r', '-f', 'raw', '-c', 'read 0 32M', server.uri]);
  await server.stop();
  await chain.close();
}

async function main([format, size, folder]: string[]): Promise<void> {
  if (format !== undefined && folder !== undefined) {
    const known = format === 'vhd' || format === 'vhdx' || format === 'vmdk' ? format : 'qcow2';
    await doEverything(known, Number(size), folder);
  }
  console.log(process.resourceUsage().maxRSS * 1024);
}

void main(process.argv.slice(2));
