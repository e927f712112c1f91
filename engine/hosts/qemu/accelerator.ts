import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile, mkdir } from 'node:fs/promises';
import { hostname, release, tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { readRecord, writeRecord } from '../../store/atomic-file.ts';
import { isAbort } from '../../model/checkpoint-error.ts';
import type { QemuInstallation } from './installation.ts';

/** QEMU's names (`-accel help`). */
export type Accelerator = 'kvm' | 'hvf' | 'whpx' | 'tcg';

/** Native acceleration of each operating system; tcg, QEMU's own translator, works everywhere. */
const nativeAccelerator: Partial<Record<NodeJS.Platform, Accelerator>> = { linux: 'kvm', darwin: 'hvf', win32: 'whpx' };

/** Ten times what tcg needs on a slow machine: whoever takes longer is no acceleration. */
const probeLimitMs = 5000;

const probeRecord = z.record(z.string(), z.enum(['kvm', 'hvf', 'whpx', 'tcg']));

/**
 * The fastest accelerator that really works here. Opening `/dev/kvm` proves nothing: on some machines it opens and the
 * guest then hangs, crawls or aborts. So something small is booted with a time limit, once for each QEMU and kernel.
 * @param probes file that remembers the results
 */
export async function workingAccelerator(
  qemu: QemuInstallation,
  probes: string,
  signal?: AbortSignal,
): Promise<Accelerator> {
  const native = nativeAccelerator[process.platform];
  if (native === undefined || process.arch !== 'x64') {
    return 'tcg';
  }
  const { mtimeMs } = await stat(qemu.emulator);
  const key = [native, hostname(), release(), qemu.emulator, qemu.version, Math.floor(mtimeMs)].join(' ');
  const remembered = await readRecord(probes, probeRecord).catch(() => undefined);
  const known = remembered?.[key];
  if (known !== undefined) {
    return known;
  }
  const found = (await bootsWith(qemu, native, signal)) ? native : 'tcg';
  await mkdir(path.dirname(probes), { recursive: true, mode: 0o700 });
  await writeRecord(probes, { ...remembered, [key]: found });
  return found;
}

/**
 * A boot sector in 16-bit code: counts 20 million down, then writes 42 to the debug-exit device, on which QEMU ends
 * with status 2 × 42 + 1 (QEMU docs, `isa-debug-exit`).
 */
export function probeDisk(): Buffer {
  const disk = Buffer.alloc(1024 * 1024);
  const code = [
    [0xfa], // cli
    [0x66, 0xb9, 0x00, 0x2d, 0x31, 0x01], // mov ecx, 20000000
    [0x66, 0x49], // dec ecx
    [0x75, 0xfc], // jnz back to dec
    [0xb0, 42], // mov al, 42
    [0xba, 0xf4, 0x00], // mov dx, 0xf4
    [0xee], // out dx, al
    [0xf4], // hlt
    [0xeb, 0xfd], // jmp back to hlt
  ].flat();
  Buffer.from(code).copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}
const probeExitStatus = 2 * 42 + 1;

/** Boots the probe, and tells whether it ran to its end in time. */
export async function bootsWith(
  qemu: QemuInstallation,
  accelerator: Accelerator,
  signal?: AbortSignal,
): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vm-checkpoints-probe-'));
  try {
    const disk = path.join(folder, 'probe.raw');
    await writeFile(disk, probeDisk());
    const args = [
      ['-machine', 'q35', '-accel', accelerator, '-cpu', cpuModel(accelerator), '-m', '64'],
      ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
      ['-blockdev', JSON.stringify({ driver: 'file', 'node-name': 'file', filename: disk })],
      ['-blockdev', JSON.stringify({ driver: 'raw', 'node-name': 'disk', file: 'file' })],
      ['-device', 'virtio-blk-pci,drive=disk,bootindex=0'],
    ].flat();
    return (await exitStatus(qemu.emulator, args, signal)) === probeExitStatus;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The fullest CPU of an accelerator. Its state is resumed only on the same host kind, which checkpoints record. */
export function cpuModel(accelerator: Accelerator): string {
  return accelerator === 'kvm' || accelerator === 'hvf' ? 'host' : 'max';
}

function exitStatus(program: string, args: string[], signal: AbortSignal | undefined): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'ignore', ...(signal === undefined ? {} : { signal }) });
    const limit = setTimeout(() => child.kill('SIGKILL'), probeLimitMs);
    child.once('error', (error) => {
      clearTimeout(limit);
      if (isAbort(error)) {
        child.kill('SIGKILL');
        reject(error);
      } else {
        resolve(undefined);
      }
    });
    child.once('exit', (status) => {
      clearTimeout(limit);
      resolve(status ?? undefined);
    });
  });
}
