import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { runProgram } from '../../../../support/project.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';

export const kibibyte = 1024;
export const mebibyte = 1024 * 1024;

export function qemuImg(...args: string[]): Promise<string> {
  return runProgram('qemu-img', args);
}

/** Lets QEMU write to an image: commands of qemu-io, such as `write -P 7 0 64k`. */
export async function qemuIo(file: string, commands: readonly string[], options: string[] = []): Promise<void> {
  await runProgram('qemu-io', ['-f', 'qcow2', ...options, ...commands.flatMap((command) => ['-c', command]), file]);
}

/** What QEMU finds in an image; exit codes that only say so do not fail. */
export function qemuCheck(file: string): Promise<{ errors: number; leaks: number; output: string }> {
  return new Promise((resolve, reject) => {
    execFile(
      'qemu-img',
      ['check', '-f', 'qcow2', '--output=json', file],
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        if (error !== null && (typeof error.code !== 'number' || error.code === 1)) {
          reject(new Error(`${stdout}\n${stderr}`, { cause: error }));
          return;
        }
        const result: unknown = JSON.parse(stdout);
        const count = (field: string): number => {
          const value: unknown = typeof result === 'object' && result !== null ? Reflect.get(result, field) : 0;
          return Number(value ?? 0);
        };
        resolve({
          errors: count('corruptions') + count('check-errors'),
          leaks: count('leaks'),
          output: stdout + stderr,
        });
      },
    );
  });
}

/** QEMU finds no fault at all. */
export async function assertClean(file: string): Promise<void> {
  const { errors, leaks, output } = await qemuCheck(file);
  assert.deepEqual({ errors, leaks }, { errors: 0, leaks: 0 }, output);
}

/** What QEMU reads from an image, from the first byte to the last. */
export async function qemuContent(file: string, options: string[] = ['-f', 'qcow2']): Promise<Buffer> {
  const raw = `${file}.raw`;
  try {
    await qemuImg('convert', ...options, '-O', 'raw', file, raw);
    return await readFile(raw);
  } finally {
    await rm(raw, { force: true });
  }
}

/** Brings an image into memory, for tests that would wait for the disk otherwise. */
export async function intoMemory(file: string): Promise<MemoryFile> {
  return new MemoryFile(file, await readFile(file));
}

export async function ontoDisk(image: MemoryFile, file: string): Promise<void> {
  await writeFile(file, image.peek(0, image.sizeBytes));
}

/** A random program for qemu-io over a disk whose clusters have a certain size. */
export function randomQemuCommands(
  random: () => number,
  shape: {
    sizeBytes: number;
    clusterSize: number;
    steps: number;
    isCompressing?: boolean;
    /** Without zero clusters, QEMU writes zeros. */
    kinds?: readonly string[];
  },
): string[] {
  const { sizeBytes, clusterSize, steps, isCompressing = false } = shape;
  const below = (limit: number): number => Math.floor(random() * limit);
  const kinds = shape.kinds ?? ['write', 'write', 'write', 'zero', 'zeroUnmap', 'discard'];
  // QEMU compresses only into clusters that are not there yet.
  const fresh = isCompressing ? Array.from({ length: Math.floor(sizeBytes / clusterSize) }, (_, index) => index) : [];
  const compress = (): string[] =>
    fresh
      .filter(() => random() < 0.6)
      .map((cluster) => `write -c -P ${1 + (cluster % 255)} ${cluster * clusterSize} ${clusterSize}`)
      .slice(0, 100);
  const changes = Array.from({ length: steps }, (_, step) => {
    const pattern = 1 + (step % 255);
    const length = Math.min(
      sizeBytes,
      512 * (1 + below(Math.max(1, Math.exp(random() * Math.log((3 * clusterSize) / 512))))),
    );
    const offset = 512 * below((sizeBytes - length) / 512);
    switch (kinds[below(kinds.length)]) {
      case 'zero':
        return `write -z ${offset} ${length}`;
      case 'zeroUnmap':
        return `write -z -u ${offset} ${length}`;
      case 'discard':
        return `discard ${offset} ${length}`;
      default:
        return `write -P ${pattern} ${offset} ${length}`;
    }
  });
  return [...compress(), ...changes];
}

/** All of a disk, as bytes. */
export async function contentOf(disk: {
  virtualSizeBytes: number;
  read(buffer: Buffer, offset: number): Promise<void>;
}): Promise<Buffer> {
  const content = Buffer.alloc(disk.virtualSizeBytes, 0xa5);
  // Odd pieces, so that reads begin and end anywhere.
  const piece = 777_777;
  for (let at = 0; at < content.length; at += piece) {
    await disk.read(content.subarray(at, Math.min(content.length, at + piece)), at);
  }
  return content;
}

export function assertSameContent(found: Buffer, expected: Buffer, message: string): void {
  if (found.equals(expected)) {
    return;
  }
  assert.equal(found.length, expected.length, `${message}: length`);
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  assert.fail(`${message}: byte ${at} is ${found[at] ?? 'missing'}, and should be ${expected[at] ?? 'missing'}`);
}
