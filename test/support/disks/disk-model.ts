import assert from 'node:assert/strict';
import type { Disk } from '../../../engine/disks/disk.ts';
import { MemoryFile } from './memory-file.ts';

const sectorBytes = 512;

/** What a random program does to a disk. Offsets and lengths in bytes; `tag` makes each write's content its own. */
export type Step =
  | { kind: 'write'; offset: number; length: number; tag: number }
  | { kind: 'zero' | 'discard'; offset: number; length: number }
  | { kind: 'flush' | 'reopen' };

/** Content of a write: each sector begins with the tag and the sector's number, so that a stray one can be told. */
export function taggedContent(offset: number, length: number, tag: number): Buffer {
  const first = Math.floor(offset / sectorBytes);
  const sectors = Math.ceil((offset + length) / sectorBytes) - first;
  const content = Buffer.alloc(sectors * sectorBytes);
  for (let sector = 0; sector < sectors; sector++) {
    const at = sector * sectorBytes;
    content.fill((tag + sector) % 255 || 255, at, at + sectorBytes);
    content.writeUInt32BE(tag >>> 0, at);
    content.writeUIntBE(first + sector, at + 4, 6);
  }
  return content.subarray(offset % sectorBytes, (offset % sectorBytes) + length);
}

/** What a disk must hold: a plain copy of its bytes, and what each sector has held since the last flush. */
export class DiskModel {
  readonly sizeBytes: number;
  readonly #content: MemoryFile;
  /** Contents that a sector had before those writes that no flush has followed yet, oldest first. */
  readonly #unflushed = new Map<number, Buffer[]>();

  constructor(sizeBytes: number, content = new MemoryFile()) {
    this.sizeBytes = sizeBytes;
    this.#content = content.copy();
  }

  copy(sizeBytes = this.sizeBytes): DiskModel {
    return new DiskModel(sizeBytes, this.#content);
  }

  content(offset: number, length: number): Buffer {
    return this.#content.peek(offset, length);
  }

  write(content: Buffer, offset: number): void {
    this.#remember(offset, content.length);
    this.#content.apply({ kind: 'write', offset, content });
  }

  zero(offset: number, length: number): void {
    this.#remember(offset, length);
    this.#content.apply({ kind: 'punchHole', offset, length });
  }

  /** From here on only what is there now counts, whatever crash comes. */
  flush(): void {
    this.#unflushed.clear();
  }

  apply(step: Step): void {
    switch (step.kind) {
      case 'write':
        this.write(taggedContent(step.offset, step.length, step.tag), step.offset);
        return;
      case 'zero':
      case 'discard':
        this.zero(step.offset, step.length);
        return;
      case 'flush':
      case 'reopen':
        this.flush();
        return;
    }
  }

  /** The disk holds exactly this, over a range or whole. */
  async assertSame(disk: Disk, message = 'content', offset = 0, length = this.sizeBytes - offset): Promise<void> {
    await this.#compare(disk, offset, length, (at, found, expected) => {
      const byte = firstDifference(found, expected);
      assert.fail(
        `${message}: byte ${at + byte} (sector ${Math.floor((at + byte) / sectorBytes)}) is ${describe(found, byte)}, ` +
          `and should be ${describe(expected, byte)}`,
      );
    });
  }

  /** The disk holds what was flushed, and of what was not, each byte before or after any of the writes. */
  async assertPossible(disk: Disk, message = 'content after a crash'): Promise<void> {
    await this.#compare(disk, 0, this.sizeBytes, (at, found, expected) => {
      for (let byte = 0; byte < found.length; byte++) {
        const value = found[byte];
        if (value === expected[byte]) {
          continue;
        }
        const sector = Math.floor((at + byte) / sectorBytes);
        const within = (at + byte) % sectorBytes;
        const versions = this.#unflushed.get(sector) ?? [];
        if (!versions.some((version) => version[within] === value)) {
          assert.fail(
            `${message}: byte ${at + byte} (sector ${sector}) is ${describe(found, byte)}, and never was; ` +
              `it should be ${describe(expected, byte)}${versions.length === 0 ? '' : ' or older'}`,
          );
        }
      }
    });
  }

  async #compare(
    disk: Disk,
    offset: number,
    length: number,
    onDifference: (at: number, found: Buffer, expected: Buffer) => void,
  ): Promise<void> {
    assert.equal(disk.virtualSizeBytes, this.sizeBytes, 'virtual size');
    const piece = 1 << 20;
    for (let at = offset; at < offset + length; at += piece) {
      const found = Buffer.allocUnsafe(Math.min(piece, offset + length - at)).fill(0xa5);
      await disk.read(found, at);
      const expected = this.content(at, found.length);
      if (!found.equals(expected)) {
        onDifference(at, found, expected);
      }
    }
  }

  #remember(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / sectorBytes);
    for (let sector = Math.floor(offset / sectorBytes); sector <= last; sector++) {
      const versions = this.#unflushed.get(sector) ?? [];
      versions.push(this.#content.peek(sector * sectorBytes, sectorBytes));
      this.#unflushed.set(sector, versions);
    }
  }
}

function firstDifference(found: Buffer, expected: Buffer): number {
  for (let byte = 0; byte < found.length; byte++) {
    if (found[byte] !== expected[byte]) {
      return byte;
    }
  }
  return 0;
}

function describe(content: Buffer, at: number): string {
  const sector = content.subarray(at - (at % sectorBytes), at - (at % sectorBytes) + sectorBytes);
  if (sector.every((byte) => byte === 0)) {
    return 'zero';
  }
  return `0x${(content[at] ?? 0).toString(16)} (of a sector that begins with ${sector.toString('hex', 0, 10)})`;
}

export interface ProgramShape {
  random: () => number;
  sizeBytes: number;
  steps: number;
  /** Places where something changes in the format (ends of blocks, clusters, chunks): many steps touch them. Bytes. */
  boundaries?: readonly number[];
  /** Longest range of a step, in bytes; 256 KiB by default. */
  longest?: number;
  /** Offsets and lengths in whole multiples of this; 1 by default. */
  alignment?: number;
  /** Kinds to choose from, in proportion to how often they are named. */
  kinds?: readonly Step['kind'][];
}

const usualKinds: readonly Step['kind'][] = [
  ...Array<Step['kind']>(10).fill('write'),
  'zero',
  'zero',
  'discard',
  'discard',
  'flush',
  'flush',
  'reopen',
];

/** A random program: odd offsets and lengths, mostly near the boundaries, the start and the end. */
export function randomProgram(shape: ProgramShape): Step[] {
  const { random, sizeBytes, longest = 256 * 1024, alignment = 1, kinds = usualKinds } = shape;
  const places = [0, sizeBytes, ...(shape.boundaries ?? [])];
  const align = (value: number): number => Math.floor(value / alignment) * alignment;
  return Array.from({ length: shape.steps }, (_, index): Step => {
    const kind = kinds[Math.floor(random() * kinds.length)] ?? 'write';
    if (kind === 'flush' || kind === 'reopen') {
      return { kind };
    }
    // Short ranges as often as long ones.
    const wished = Math.max(alignment, align(Math.exp(random() * Math.log(longest))));
    const near = places[Math.floor(random() * places.length)] ?? 0;
    const place = random() < 0.7 ? near - wished + random() * 2 * wished : random() * sizeBytes;
    const offset = align(Math.min(Math.max(0, place), sizeBytes - alignment));
    const length = Math.min(wished, sizeBytes - offset);
    return kind === 'write' ? { kind, offset, length, tag: index + 1 } : { kind, offset, length };
  });
}

export interface ProgramRun {
  /** Opens the disk; again after each `reopen`. The run closes what it opened. */
  open: () => Promise<Disk>;
  model: DiskModel;
  /** Called before and after each step, with its number; for the marks of a recording. */
  onBegin?: (step: number) => void;
  onDone?: (step: number) => void;
  /** Compares the whole disk after each so many steps; at the end always. */
  compareEvery?: number;
}

/** Runs a program on a disk and on the model, and asserts that both are the same. Closes the disk. */
export async function runProgram(steps: readonly Step[], run: ProgramRun): Promise<void> {
  let disk = await run.open();
  try {
    for (const [index, step] of steps.entries()) {
      run.onBegin?.(index);
      switch (step.kind) {
        case 'write':
          await disk.write(taggedContent(step.offset, step.length, step.tag), step.offset);
          break;
        case 'zero':
          await disk.zero(step.offset, step.length);
          break;
        case 'discard':
          await disk.discard(step.offset, step.length);
          break;
        case 'flush':
          await disk.flush();
          break;
        case 'reopen':
          await disk.close();
          disk = await run.open();
          break;
      }
      run.model.apply(step);
      run.onDone?.(index);
      if (run.compareEvery !== undefined && index % run.compareEvery === run.compareEvery - 1) {
        await run.model.assertSame(disk, `after step ${index} (${JSON.stringify(step)})`);
      }
    }
    await run.model.assertSame(disk, 'at the end');
  } finally {
    await disk.close();
  }
}

/**
 * What may be on the disk when a crash came in the middle of a program.
 * @param begun number of steps that had begun
 * @param done number of steps that had finished; `flush` and `reopen` count only then
 */
export function modelAtCrash(before: DiskModel, steps: readonly Step[], begun: number, done: number): DiskModel {
  const model = before.copy();
  for (const [index, step] of steps.slice(0, begun).entries()) {
    if (index < done || (step.kind !== 'flush' && step.kind !== 'reopen')) {
      model.apply(step);
    }
  }
  return model;
}
