import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { readRecord, writeFileAtomically } from '../../store/atomic-file.ts';

/** What a QEMU said of itself. */
export interface QemuAnswer {
  version: string;
  machineType: string;
}

const identity = z.string().max(200);
const answers = z.record(
  z.string(),
  z.strictObject({ identity, version: z.string().max(100), machineType: z.string().max(100) }),
);

/** Two or three are in use on a computer; a file that was replaced leaves none. */
const mostAnswers = 8;

/** ELF, and Mach-O of 64 bits in both orders of bytes, or of several processors. */
const binaries: ReadonlySet<string> = new Set(['7f454c46', 'feedfacf', 'cffaedfe', 'cafebabe']);

/**
 * Remembers what programs answered, so that starting them, which takes longer than all the rest of a first list, is not
 * needed each time. An answer counts for the file that gave it: the same inode, size and both times. Scripts are asked each
 * time: another program may answer for them, and that one may be replaced.
 * @param file where it is remembered; what cannot be read or written there is asked again
 * @param ask starts the program
 */
export async function askOnce(
  program: string,
  file: string,
  ask: (program: string) => Promise<QemuAnswer>,
): Promise<QemuAnswer> {
  const before = binaryIdentity(program);
  const remembered = (await readRecord(file, answers).catch(() => undefined)) ?? {};
  const known = remembered[program];
  if (known !== undefined && known.identity === before) {
    return { version: known.version, machineType: known.machineType };
  }
  const { version, machineType } = await ask(program);
  if (before !== undefined && binaryIdentity(program) === before) {
    const others = Object.entries(remembered).filter(([name]) => name !== program);
    const kept = Object.fromEntries(others.slice(1 - mostAnswers));
    const text = JSON.stringify({ ...kept, [program]: { identity: before, version, machineType } });
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
      .then(() => writeFileAtomically(file, text, 'in passing'))
      // A home that cannot be written to does without.
      .catch(() => undefined);
  }
  return { version, machineType };
}

/** @returns undefined for what is no binary, or cannot be looked at */
function binaryIdentity(program: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(program, { bigint: true });
    return binaries.has(firstBytes(program)) ? [dev, ino, size, mtimeNs, ctimeNs].join(':') : undefined;
  } catch {
    return undefined;
  }
}

function firstBytes(program: string): string {
  const descriptor = openSync(program, 'r');
  try {
    const bytes = Buffer.alloc(4);
    readSync(descriptor, bytes, 0, bytes.length, 0);
    return bytes.toString('hex');
  } finally {
    closeSync(descriptor);
  }
}
