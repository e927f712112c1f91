import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { guestFolder } from '../../support/project.ts';
import { guestImageName } from '../../support/set-up.ts';
import { Libvirt } from '../libvirt/daemon.ts';
import type { RunEvent } from './run-events.ts';

export interface DomainOptions {
  memoryMiB: number;
  /** The accelerator of ours, as QEMU calls it. */
  accelerator: string;
  /** The active layer; default: a copy of the guest's image. */
  disk?: string;
}

const name = 'ckpt-bench';
/** Such as `2026-11-21 22:49:01.649+0000: event STOP for domain 'lab': <null>`. */
const eventLine = /^(\S+) (\S+)\+0000: event (\w+) for domain/;

/** The demo guest as a libvirt domain: as much of ours as libvirt's own hardware allows. */
export class LibvirtGuest {
  /** For its disk and whatever is saved of it. */
  readonly folder: string;
  readonly #libvirt: Libvirt;
  readonly #watch: ChildProcess;
  #told = '';

  private constructor(folder: string, libvirt: Libvirt) {
    this.folder = folder;
    this.#libvirt = libvirt;
    const args = libvirt.arguments('qemu-monitor-event', name, '--loop', '--timestamp');
    this.#watch = spawn('virsh', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#watch.stdout?.on('data', (chunk: Buffer) => (this.#told += chunk.toString()));
  }

  /** Defines it and starts it. */
  static async start(parent: string, options: DomainOptions): Promise<LibvirtGuest> {
    const folder = path.join(parent, 'libvirt');
    await mkdir(folder);
    for (const file of ['disk.qcow2', 'vmlinuz', 'initrd.img']) {
      await copyFile(path.join(guestFolder, guestImageName, file), path.join(folder, file));
    }
    const libvirt = await Libvirt.start(folder);
    try {
      const definition = path.join(folder, 'domain.xml');
      await writeFile(definition, domain(folder, options));
      await libvirt.virsh('define', definition);
      const guest = new LibvirtGuest(folder, libvirt);
      await guest.virsh('start');
      return guest;
    } catch (error) {
      await libvirt.stop();
      throw error;
    }
  }

  get serial(): string {
    return path.join(this.folder, 'serial.sock');
  }

  /** A command of virsh that takes the domain first. */
  async virsh(command: string, ...args: string[]): Promise<void> {
    await this.#libvirt.virsh(command, name, ...args);
  }

  /** `virsh restore`, which takes the file only. */
  async restore(file: string): Promise<void> {
    await this.#libvirt.virsh('restore', file);
  }

  /** What QEMU told, by its own clock. */
  events(): Promise<RunEvent[]> {
    const lines = this.#told.split('\n').map((line) => eventLine.exec(line));
    return Promise.resolve(
      lines.flatMap((found) =>
        found === null ? [] : [{ event: String(found[3]), at: Date.parse(`${String(found[1])}T${String(found[2])}Z`) }],
      ),
    );
  }

  async remove(): Promise<void> {
    await this.virsh('destroy').catch(() => undefined);
    await this.virsh('undefine', '--snapshots-metadata').catch(() => undefined);
    if (this.#watch.exitCode === null) {
      this.#watch.kill();
      await once(this.#watch, 'exit');
    }
    await this.#libvirt.stop();
  }
}

/** As in the image's record. */
const kernelOptions = 'console=ttyS0 root=LABEL=root quiet no_timer_check cryptomgr.notests';

function domain(folder: string, { memoryMiB, accelerator, disk }: DomainOptions): string {
  return `<domain type='${accelerator === 'kvm' ? 'kvm' : 'qemu'}'>
  <name>${name}</name>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${folder}/vmlinuz</kernel>
    <initrd>${folder}/initrd.img</initrd>
    <cmdline>${kernelOptions}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='${accelerator === 'kvm' ? 'host-passthrough' : 'maximum'}'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='${disk ?? `${folder}/disk.qcow2`}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'><model type='virtio'/><rom enabled='no'/></interface>
    <serial type='unix'><source mode='bind' path='${folder}/serial.sock'/><target port='0'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}
