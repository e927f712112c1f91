import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { openDiskFile } from '../disks/disk-file.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { ChainLayer } from './layer-chain.ts';
import type { MachineFolder } from './machine-folder.ts';
import type { FrozenRecord } from './records.ts';

export type FrozenFacts = FrozenRecord['layers'][string];

const samples = 32;
const sampleBytes = 4096;
/** A smaller file is read in one go: to do that takes as long as to read four samples. */
const readWholeBytes = 256 * 1024;

/** What can be told of a layer's file at little cost, whatever its size. */
export async function factsOf(file: string): Promise<FrozenFacts> {
  const { size, mtimeMs, ino, dev } = statSync(file);
  return {
    sizeBytes: size,
    modifiedMs: Math.floor(mtimeMs),
    inode: `${dev}:${ino}`,
    fingerprint: await fingerprint(file, size),
  };
}

/** True for the file that was looked at, when nothing was written to it since. */
export function isSameFile(file: string, facts: FrozenFacts): boolean {
  const { size, mtimeMs, ino, dev } = statSync(file);
  return `${dev}:${ino}` === facts.inode && size === facts.sizeBytes && Math.floor(mtimeMs) === facts.modifiedMs;
}

/** SHA-256 of samples of a file, from its first bytes to its last. */
async function fingerprint(file: string, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const opened = await openDiskFile(file, 'read');
  try {
    const last = Math.max(0, sizeBytes - sampleBytes);
    const offsets = Array.from({ length: samples }, (_, sample) => Math.floor((last * sample) / (samples - 1)));
    if (sizeBytes <= readWholeBytes) {
      const whole = Buffer.allocUnsafe(sizeBytes);
      const content = whole.subarray(0, await opened.read(whole, 0));
      offsets.forEach((offset) => hash.update(content.subarray(offset, offset + sampleBytes)));
      return hash.digest('hex');
    }
    const content = Buffer.allocUnsafe(samples * sampleBytes);
    // All at once: one after the other, those that are not in memory would each wait for the one before.
    const read = await Promise.all(
      offsets.map(async (offset, sample) => {
        const buffer = content.subarray(sample * sampleBytes, (sample + 1) * sampleBytes);
        return buffer.subarray(0, await opened.read(buffer, offset));
      }),
    );
    read.forEach((sample) => hash.update(sample));
  } finally {
    await opened.close();
  }
  return hash.digest('hex');
}

/** SHA-256 of a whole file. */
export async function contentHash(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash, signal === undefined ? {} : { signal });
  return hash.digest('hex');
}

/** How a frozen layer differs from what is on record. */
export interface FrozenDifference {
  field: 'size' | 'modification time' | 'content';
  expected: string;
  found: string;
}

/**
 * Compares a layer's file with what is on record. A copy, or a file from a backup, may have another time: it is the same
 * when its samples are. The file itself, with another time, was written to.
 */
export async function compareFrozen(file: string, expected: FrozenFacts): Promise<FrozenDifference | undefined> {
  // At once: a chain may have hundreds, and a turn of a thread for each would cost more than all else.
  const { size, mtimeMs, ino, dev } = statSync(file);
  if (size !== expected.sizeBytes) {
    return { field: 'size', expected: `${expected.sizeBytes} bytes`, found: `${size} bytes` };
  }
  const modifiedMs = Math.floor(mtimeMs);
  if (modifiedMs === expected.modifiedMs) {
    return undefined;
  }
  if (`${dev}:${ino}` === expected.inode) {
    const times = [expected.modifiedMs, modifiedMs].map((time) => new Date(time).toISOString());
    return { field: 'modification time', expected: times[0] ?? '', found: times[1] ?? '' };
  }
  const found = await fingerprint(file, size);
  return found === expected.fingerprint ? undefined : { field: 'content', expected: expected.fingerprint, found };
}

/**
 * Sees that the frozen layers of a chain are as they were left. A layer that nothing is on record of is believed.
 * @throws ParentMismatch
 */
export async function requireFrozen(folder: MachineFolder, chain: readonly ChainLayer[]): Promise<void> {
  const { layers } = await folder.readFrozen();
  for (const { file, layer } of chain) {
    const expected = layer === undefined ? undefined : layers[layer];
    const difference = expected === undefined ? undefined : await compareFrozen(file, expected);
    if (difference !== undefined) {
      throw new CheckpointError(
        'ParentMismatch',
        `The layer ${file} was changed after it was frozen: its ${difference.field} was ${difference.expected}, and is ${difference.found}. ` +
          'What stands on it would be corrupted, so it is not used. Restore that file from a backup; ' +
          'or, if you know that its content is the same, check the machine for problems, and accept the change (ckpt doctor MACHINE --accept-changed).',
        { path: file, ...difference },
      );
    }
  }
}
