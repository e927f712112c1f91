import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import type { Ckpt } from './ckpt.ts';
import { withDiskContent } from './disk-content.ts';
import { auditMachine } from './folder-audit.ts';
import { inGuest } from './guest.ts';
import { engineFile, runProgram } from './project.ts';

/** A running guest with files of known content, and a process that writes number after number. */
export class MergingMachine {
  readonly ckpt: Ckpt;
  readonly name: string;
  /** SHA-256 of files in /root. */
  readonly files = new Map<string, string>();
  #written = 0;

  constructor(ckpt: Ckpt, name: string) {
    this.ckpt = ckpt;
    this.name = name;
  }

  shell(command: string): Promise<string> {
    return inGuest(this.ckpt.home, this.name, (shell) => shell.run(command));
  }

  async start(): Promise<void> {
    await this.ckpt.run('start', ['start', this.name]);
    this.files.delete('seq');
    await this.shell(
      'rm -f /root/seq; (n=0; while :; do n=$((n+1)); read t rest < /proc/uptime; echo "$n $t" >> /root/seq; sync; done) > /dev/null 2>&1 &',
    );
  }

  /** Writes a file of its own content: what the disk of the guest holds somewhere, which costs it no arithmetic. */
  async write(mebibytes: number, folder = '/root'): Promise<void> {
    const number = (this.#written += 1);
    const file = `${folder}/f${number}`;
    const sum = await this.shell(
      `(echo ${number}; dd if=/dev/vda bs=256k skip=${number} count=${mebibytes * 4} 2>/dev/null) > ${file}; sync; sha256sum ${file}`,
    );
    this.files.set(file, sum.slice(0, 64));
  }

  async take(name: string): Promise<string> {
    return (await this.ckpt.run('take', ['take', this.name, name, '--no-memory'])).checkpoint.id;
  }

  async show(): Promise<MachineInfo> {
    return (await this.ckpt.run('show', ['show', this.name])).machine;
  }

  /** Files of layers that no checkpoint needs, and why they are there. */
  async hidden(): Promise<string[]> {
    const { hiddenLayers = [] } = await this.ckpt.run('show', ['show', this.name]);
    return hiddenLayers.map(({ file, why }) => `${path.basename(file)}: ${why}`);
  }

  /**
   * The guest reads back from its disk what it wrote, and its numbers have no hole.
   * @returns the longest time between two numbers, in ms
   */
  async requireGuest(): Promise<number> {
    const said = await this.shell(
      `echo 3 > /proc/sys/vm/drop_caches; sha256sum ${[...this.files.keys()].join(' ')}; ` +
        `awk '{ if ($1 != NR) bad = NR; if (NR > 1 && $2 - t > gap) gap = $2 - t; t = $2 } END { print "seq", bad + 0, NR, gap * 1000 }' /root/seq`,
    );
    for (const [file, hash] of this.files) {
      assert.match(said, new RegExp(`${hash} +${file}`), `${file} is as it was written`);
    }
    const [, bad, count, gap] = /seq (\d+) (\d+) ([\d.]+)/.exec(said) ?? [];
    assert.equal(bad, '0', 'no number is missing');
    assert.ok(Number(count) > 1, 'there are numbers');
    return Number(gap);
  }

  /** No layer is hidden, nothing lies about, and no operation is under way. */
  async requireMerged(): Promise<void> {
    const machine = await this.show();
    assert.deepEqual(await this.hidden(), []);
    assert.equal(machine.busy, undefined);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
  }

  /**
   * The machine is stopped, and its disk, read from outside, has every file; the images are in order.
   * @param wasCutOff the guest did not unmount it, and a cluster that nothing uses may be left
   */
  async requireDisk({ wasCutOff = false } = {}): Promise<void> {
    const machine = await this.show();
    assert.equal(machine.state, 'stopped');
    const folder = new MachineFolder(machine.folder);
    const { now, checkpoints } = await folder.read();
    for (const layers of [now.activeLayers, ...checkpoints.map((one) => one.layers)]) {
      for (const layer of Object.values(layers)) {
        await checkImage(path.join(machine.folder, layer), wasCutOff);
      }
    }
    await withDiskContent(path.join(machine.folder, now.activeLayers['disk0'] ?? ''), async (disk) => {
      await disk.replayJournal();
      await disk.check();
      for (const [file, hash] of this.files) {
        if (file.startsWith('/root/')) {
          assert.equal(await disk.hash(file), hash, file);
        }
      }
    });
  }

  /** Begins a verb as a process of its own, which can be killed. */
  begin(args: readonly string[]): { child: ChildProcess; ended: Promise<number | null> } {
    const child = spawn(process.execPath, [engineFile, ...args, '--json'], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: this.ckpt.home },
      stdio: 'ignore',
    });
    return { child, ended: once(child, 'exit').then(() => child.exitCode) };
  }

  /** Waits until QEMU moves data. */
  async untilMerging(): Promise<void> {
    const folder = new MachineFolder((await this.show()).folder);
    const end = performance.now() + 60_000;
    while ((await folder.readJournal())?.operation !== 'merge') {
      assert.ok(performance.now() < end, 'a merge begins');
      await delay(5);
    }
  }
}

/** @throws unless `qemu-img check` finds nothing, but for leaked clusters where they are allowed (exit code 3) */
async function checkImage(file: string, mayLeak: boolean): Promise<void> {
  try {
    await runProgram('qemu-img', ['check', '-q', file]);
  } catch (error) {
    if (!(mayLeak && error instanceof Error && / ended with 3:/.test(error.message))) {
      throw error;
    }
  }
}
