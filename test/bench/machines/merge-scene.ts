import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { create } from '../../../engine/disks/operations/create.ts';
import { runProgram } from '../../support/project.ts';
import { writeData } from '../checkpoints/disk-content.ts';
import { dataBytes } from '../disks/made-disks.ts';
import { timed } from '../disks/row.ts';
import { startTicking, TickWatch } from './guest-ticks.ts';
import { LibvirtGuest } from './libvirt-guest.ts';
import { machine, OurGuest } from './our-guest.ts';
import type { Figures, Participant, Scene } from './scene.ts';

const memoryMiB = 256;
/** Behind the guest's file system. */
const firstOffset = 1024 ** 3;
const diskBytes = firstOffset + 2 * dataBytes;
const imageRecord = z.looseObject({ disk: z.looseObject({ file: z.string(), sha256: z.string() }) });

/** Two layers that are equally full become one, below the one that a running guest writes to. */
export const mergeScene: Scene = {
  name: 'live merge',
  mostRounds: 3,
  rows: [
    {
      name: `live merge of ${dataBytes / 1024 / 1024} MiB (virsh blockcommit, and rm)`,
      figure: 'merge',
      peer: 'virsh',
      reach: 'no slower',
      isReached: (ours, peer) => ours <= peer,
    },
    {
      name: 'live merge: gap in the guest’s ticks (virsh blockcommit)',
      figure: 'silence',
      peer: 'virsh',
      reach: '≤ 50 ms',
      isReached: (ours) => ours <= 50,
    },
  ],
  async prepare(folder) {
    const guest = await OurGuest.create(folder, { memoryMiB, prepareImage: enlarge });
    return {
      ours: ours(guest, folder),
      peers: {
        virsh: async () => {
          const chain = await Chain.make(folder, guest);
          const libvirt = await LibvirtGuest.start(folder, { memoryMiB, accelerator: 'tcg', disk: chain.top });
          return byLibvirt(libvirt, chain);
        },
      },
    };
  },
};

/** Gives the image room for what is merged. */
async function enlarge(image: string): Promise<void> {
  const file = path.join(image, 'image.json');
  const record = imageRecord.parse(JSON.parse(await readFile(file, 'utf8')));
  const disk = path.join(image, record.disk.file);
  await runProgram('qemu-img', ['resize', '-q', disk, String(diskBytes)]);
  record.disk.sha256 = createHash('sha256')
    .update(await readFile(disk))
    .digest('hex');
  await writeFile(file, JSON.stringify(record));
}

function ours(guest: OurGuest, folder: string): Participant {
  const { engine } = guest;
  return {
    async run() {
      for (const [at, name] of ['one', 'two'].entries()) {
        await engine.request('take', { machine, name });
        const shown = await engine.request('show', { machine });
        await writeData(shown.machine.disks[0]?.activeLayer ?? '', firstOffset + at * dataBytes, at + 1, folder);
      }
      await engine.request('take', { machine, name: 'three' });
      await engine.request('start', { machine });
      const { serial } = await guest.sockets();
      await startTicking(serial, 0);
      const figures = await observe(serial, async () => {
        const gone = await engine.request('delete', { machine, checkpoint: 'two', purge: true });
        if (gone.movedBytes < dataBytes) {
          throw new Error(`${gone.movedBytes} bytes were moved, not ${dataBytes}: ${gone.problem ?? ''}`);
        }
      });
      await engine.request('stop', { machine, force: true });
      await engine.request('apply', { machine, checkpoint: 'one', discardNow: true, disksOnly: true });
      await engine.request('delete', { machine, checkpoint: 'three', purge: true });
      await engine.request('delete', { machine, checkpoint: 'one', purge: true });
      return figures;
    },
    end: () => guest.remove(),
  };
}

/** The same layers, for the peer. */
class Chain {
  readonly #folder: string;
  readonly #image: string;
  readonly base: string;
  readonly middle: string;
  readonly top: string;

  private constructor(folder: string, image: string) {
    this.#folder = folder;
    this.#image = image;
    this.base = path.join(folder, 'base.qcow2');
    this.middle = path.join(folder, 'middle.qcow2');
    this.top = path.join(folder, 'top.qcow2');
  }

  static async make(folder: string, guest: OurGuest): Promise<Chain> {
    const image = path.join(guest.folder, '../../images/playground/disk.qcow2');
    const chain = new Chain(folder, path.resolve(image));
    await chain.renew();
    return chain;
  }

  async renew(): Promise<void> {
    for (const file of [this.base, this.middle, this.top]) {
      await rm(file, { force: true });
    }
    await create(this.base, { format: 'qcow2', parent: { file: this.#image } });
    await writeData(this.base, firstOffset, 1, this.#folder);
    await create(this.middle, { format: 'qcow2', parent: { file: this.base } });
    await writeData(this.middle, firstOffset + dataBytes, 2, this.#folder);
    await create(this.top, { format: 'qcow2', parent: { file: this.middle } });
  }
}

async function byLibvirt(guest: LibvirtGuest, chain: Chain): Promise<Participant> {
  await guest.virsh('destroy');
  return {
    async run() {
      await chain.renew();
      await guest.virsh('start');
      await startTicking(guest.serial, 0);
      const layers = ['--base', chain.base, '--top', chain.middle];
      const figures = await observe(guest.serial, async () => {
        await guest.virsh('blockcommit', 'vda', ...layers, '--wait');
        // Which it leaves to its user.
        await rm(chain.middle);
      });
      await guest.virsh('destroy');
      return figures;
    },
    end: () => guest.remove(),
  };
}

async function observe(serial: string, work: () => Promise<void>): Promise<Figures> {
  const ticks = await TickWatch.open(serial);
  try {
    let merge = NaN;
    const silence = await ticks.longestSilence(async () => {
      merge = await timed(work);
    });
    return { merge, silence };
  } finally {
    ticks.close();
  }
}
