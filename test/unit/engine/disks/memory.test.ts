import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const mebibyte = 2 ** 20;
const tebibyte = 2 ** 40;
const most = 128 * mebibyte;

/** The most memory that a process takes which does everything, or nothing. Bytes. */
async function peak(...args: string[]): Promise<number> {
  const program = path.join(import.meta.dirname, 'memory-use.ts');
  return Number(await runProgram(process.execPath, ['--import', 'tsx', program, ...args]));
}

for (const [format, sizeBytes] of [
  ['vhdx', 64 * tebibyte],
  ['qcow2', 64 * tebibyte],
  ['vhd', 2040 * 1024 * mebibyte],
  ['vmdk', 64 * tebibyte],
] as const) {
  test(`${format} of ${sizeBytes / tebibyte} TiB: no operation takes 128 MiB more than an idle engine`, async (context) => {
    const idle = await peak();
    const busy = await peak(format, String(sizeBytes), await folderOf(context));
    context.diagnostic(`${Math.round((busy - idle) / mebibyte)} MiB above ${Math.round(idle / mebibyte)} MiB`);
    assert.ok(busy - idle < most, `${Math.round((busy - idle) / mebibyte)} MiB more`);
  });
}
