import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Libvirt } from '../libvirt/daemon.ts';

/** A stopped domain with one qcow2 disk, and a daemon of its own. */
export class LibvirtDomain {
  readonly #libvirt: Libvirt;
  readonly #name = 'ckpt-bench';

  private constructor(libvirt: Libvirt) {
    this.#libvirt = libvirt;
  }

  static async define(folder: string, disk: string): Promise<LibvirtDomain> {
    const domain = new LibvirtDomain(await Libvirt.start(folder));
    const file = path.join(folder, 'domain.xml');
    const source = `<source file='${disk}'/><target dev='vda' bus='virtio'/>`;
    await writeFile(
      file,
      `<domain type='qemu'><name>${domain.#name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>` +
        `<os><type arch='x86_64'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>` +
        `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>${source}</disk></devices></domain>`,
    );
    await domain.#libvirt.virsh('define', file);
    return domain;
  }

  async snapshot(name: string): Promise<void> {
    await this.#libvirt.virsh('snapshot-create-as', this.#name, name, '--disk-only');
  }

  async remove(): Promise<void> {
    await this.#libvirt.virsh('undefine', this.#name, '--snapshots-metadata');
    await this.#libvirt.stop();
  }
}
