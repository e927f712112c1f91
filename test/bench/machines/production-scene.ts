import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startTicking, TickWatch } from './guest-ticks.ts';
import { LibvirtGuest } from './libvirt-guest.ts';
import { machine, OurGuest } from './our-guest.ts';
import type { Participant, Scene } from './scene.ts';

const memoryMiB = 256;
const settleMs = 500;

/** Frozen and thawed, as a process of the guest sees it that writes to a file all the time. */
export const productionScene: Scene = {
  name: 'production',
  rows: [
    {
      name: 'production: freeze to thaw (virsh --quiesce)',
      figure: 'silence',
      peer: 'virsh',
      reach: '≤ 50 ms and ≤ the peer',
      isReached: (ours, peer) => ours <= 50 && ours <= peer,
    },
    {
      name: 'production: pause of writes in an idle second',
      figure: 'idle',
      peer: 'virsh',
      reach: '–',
      isReached: () => true,
    },
  ],
  async prepare(folder) {
    const guest = await OurGuest.create(folder, { memoryMiB });
    try {
      await guest.engine.request('start', { machine });
      await startTicking((await guest.sockets()).serial, 0, 'writes a file');
      await guest.engine.request('pause', { machine });
    } catch (error) {
      await guest.remove();
      throw error;
    }
    return {
      ours: ours(guest),
      peers: { virsh: async () => byLibvirt(await LibvirtGuest.start(folder, { memoryMiB, accelerator: 'tcg' })) },
    };
  },
};

function ours(guest: OurGuest): Participant {
  const { engine } = guest;
  return {
    async run() {
      await engine.request('resume', { machine });
      let id = '';
      const seen = await observe((await guest.sockets()).serial, async () => {
        const { checkpoint } = await engine.request('take', { machine, kind: 'production-only' });
        id = checkpoint.id;
      });
      await engine.request('delete', { machine, checkpoint: id, purge: true });
      await engine.request('pause', { machine });
      return seen;
    },
    end: () => guest.remove(),
  };
}

async function byLibvirt(guest: LibvirtGuest): Promise<Participant> {
  let count = 0;
  await startTicking(guest.serial, 0, 'writes a file');
  await guest.virsh('suspend');
  return {
    async run() {
      count += 1;
      await guest.virsh('resume');
      const disk = `vda,file=${path.join(guest.folder, `layer-${count}.qcow2`)}`;
      const seen = await observe(guest.serial, () =>
        guest.virsh('snapshot-create-as', `s${count}`, '--disk-only', '--quiesce', '--diskspec', disk),
      );
      await guest.virsh('suspend');
      return seen;
    },
    end: () => guest.remove(),
  };
}

async function observe(serial: string, work: () => Promise<unknown>): Promise<{ idle: number; silence: number }> {
  await delay(settleMs);
  const ticks = await TickWatch.open(serial);
  try {
    const idle = await ticks.longestSilence(() => delay(1000));
    return { idle, silence: await ticks.longestSilence(work) };
  } finally {
    ticks.close();
  }
}
