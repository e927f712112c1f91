import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { z } from 'zod';
import { CheckpointError, isAbort, systemCode } from '../model/checkpoint-error.ts';
import type { DiskFormat } from '../model/machine.ts';

/** QEMU's names for the formats (`qemu-img --help`). */
export const qemuFormat: Readonly<Record<DiskFormat, string>> = {
  raw: 'raw',
  vhd: 'vpc',
  vhdx: 'vhdx',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

const infoOutput = z.object({ 'virtual-size': z.int().min(0) });
const mapOutput = z.array(z.object({ offset: z.int().min(0).optional(), length: z.int().min(0) }));

/** The disk image tool of QEMU. */
export class QemuImg {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  /**
   * Makes an empty qcow2 layer, for its user alone, whose parent is another image. The parent is not opened: a running machine may hold it.
   * @param backing the file as it is written into the header: relative to the new file's folder, or absolute
   * @param virtualSizeBytes the parent's
   */
  async createLayer(
    file: string,
    backing: { file: string; format: DiskFormat },
    virtualSizeBytes: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#run(
      [
        'create',
        '-q',
        '-u',
        '-f',
        'qcow2',
        '-F',
        qemuFormat[backing.format],
        '-b',
        backing.file,
        file,
        String(virtualSizeBytes),
      ],
      signal === undefined ? {} : { signal },
    );
    await chmod(file, 0o600);
  }

  /**
   * Reads the disk's size, and refuses what QEMU cannot read or finds damaged.
   * @throws ImageDamaged
   */
  async inspect(
    file: string,
    format: DiskFormat,
    sizeBytes: number,
    signal?: AbortSignal,
  ): Promise<{ virtualSizeBytes: number }> {
    const limits = signal === undefined ? {} : { signal };
    const asked = ['-f', qemuFormat[format], '--output=json', file];
    const info = infoOutput.parse(JSON.parse(await this.#examine(['info', ...asked], file, limits)));
    if (format === 'qcow2') {
      await this.#examine(['check', '-q', ...asked], file, limits);
      const extents = mapOutput.parse(JSON.parse(await this.#examine(['map', ...asked], file, limits)));
      const end = extents.reduce(
        (last, extent) => Math.max(last, extent.offset === undefined ? 0 : extent.offset + extent.length),
        0,
      );
      // The last cluster of a file may end early; a whole cluster that is not there was cut off.
      if (end - sizeBytes >= 2 * 1024 * 1024) {
        throw damagedImage(file, `it ends at byte ${sizeBytes}, but its tables point up to byte ${end}`);
      }
    }
    return { virtualSizeBytes: info['virtual-size'] };
  }

  async #examine(args: string[], file: string, options: { signal?: AbortSignal }): Promise<string> {
    try {
      return await this.#run(args, options);
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'QemuFailed') {
        throw damagedImage(file, firstComplaint(String(error.data['output'])));
      }
      throw error;
    }
  }

  #run(args: string[], options: { cwd?: string; signal?: AbortSignal }): Promise<string> {
    const program = this.#program;
    return new Promise((resolve, reject) => {
      execFile(
        program,
        args,
        { ...options, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error === null) {
            resolve(stdout);
          } else if (isAbort(error)) {
            reject(new DOMException('The operation was aborted.', 'AbortError'));
          } else if (systemCode(error) === 'ENOENT') {
            reject(
              new CheckpointError(
                'QemuNotFound',
                `The program ${program} is not there. Install QEMU (Debian and Ubuntu: apt install qemu-utils).`,
                { path: program },
              ),
            );
          } else {
            const output = stderr.trim().replace(/^qemu-img: /, '');
            const code = /No space left on device/.test(output) ? 'NotEnoughSpace' : 'QemuFailed';
            reject(
              new CheckpointError(code, `qemu-img ${args[0] ?? ''} failed: ${output}`, { output, arguments: args }),
            );
          }
        },
      );
    });
  }
}

/** The tool may complain about each cluster; the first complaint says what is wrong. */
function firstComplaint(output: string): string {
  return (output.split('\n', 1)[0] ?? '').replace(/^ERROR:? /, '');
}

function damagedImage(file: string, problem: string): CheckpointError {
  const [first = '', ...others] = problem.split('\n').filter((line) => line.trim() !== '');
  const more = others.length === 0 ? '' : ` (and ${others.length} lines more)`;
  return new CheckpointError(
    'ImageDamaged',
    `The disk ${file} is damaged: ${first.trim()}${more}. Use a good copy of it.`,
    {
      path: file,
      problem: problem.slice(0, 4000),
    },
  );
}
