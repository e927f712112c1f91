import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runProgram } from '../../support/project.ts';

const connection = ['-c', 'qemu:///system'];

/** Whether a libvirt daemon answers here. */
export const hasLibvirt = spawnSync('virsh', [...connection, 'list'], { timeout: 10_000 }).status === 0;

export function virsh(...args: string[]): Promise<string> {
  return runProgram('virsh', [...connection, ...args]);
}

/** Defines a stopped domain with one qcow2 disk. @returns what takes it away again */
export async function defineDomain(folder: string, name: string, disk: string): Promise<() => Promise<void>> {
  const file = path.join(folder, `${name}.xml`);
  const source = `<source file='${disk}'/><target dev='vda' bus='virtio'/>`;
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>` +
      `<os><type arch='x86_64'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>` +
      `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>${source}</disk></devices></domain>`,
  );
  await virsh('define', file);
  return async () => {
    await virsh('undefine', name, '--snapshots-metadata');
  };
}
