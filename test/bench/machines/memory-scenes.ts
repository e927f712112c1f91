import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { timed } from '../disks/row.ts';
import { startTicking, TickWatch } from './guest-ticks.ts';
import { LibvirtGuest } from './libvirt-guest.ts';
import { machine, OurGuest } from './our-guest.ts';
import { PlainMachine } from './plain-guest.ts';
import { pausedSince, resumedAfter, type ReadEvents } from './run-events.ts';
import type { FigureRow, Figures, Participant, PreparedScene, Scene } from './scene.ts';

const isRoot = process.getuid?.() === 0;
/** “nobody”, on every Linux. */
const otherUser = 65534;
const virshSnapshot = 'virsh --memspec';
const [virsh, plainQemu] = ['virsh', 'QEMU snapshot-save'];
const settleMs = 500;

/** Checkpoints with memory of a running guest, and back; much of its memory is in use, and does not compress. */
export const memoryScenes: readonly Scene[] = [
  memoryScene(256, undefined),
  memoryScene(1024, undefined),
  ...(isRoot ? [memoryScene(256, otherUser), memoryScene(1024, otherUser)] : []),
];

function memoryScene(memoryMiB: number, user: number | undefined): Scene {
  const name = `${memoryMiB} MiB${user === undefined ? '' : ', not root'}`;
  return {
    name,
    rows: rowsOf(name, isRoot && user === undefined ? 20 : 100, memoryMiB <= 256),
    ...(memoryMiB > 256 ? { mostRounds: 3 } : {}),
    prepare: (folder) => prepare(folder, memoryMiB, user),
  };
}

/** @param isSmall how soon a guest of more memory is back is shown only */
function rowsOf(scene: string, limitMs: number, isSmall: boolean): FigureRow[] {
  const pauses = { reach: `≤ ${limitMs} ms and ≥ 10 ×`, isReached: pauseReached(limitMs) };
  const noMore = { isReached: (ours: number, peer: number) => ours <= peer };
  const shown = { reach: '–', isReached: () => true };
  return [
    { name: `${scene}: pause, QEMU's events (${virshSnapshot})`, figure: 'pause', peer: virsh, ...pauses },
    { name: `${scene}: pause, QEMU's events (${plainQemu})`, figure: 'pause', peer: plainQemu, ...pauses },
    { name: `${scene}: pause, the guest's ticks (${virshSnapshot})`, figure: 'silence', peer: virsh, ...pauses },
    { name: `${scene}: pause, the guest's ticks (${plainQemu})`, figure: 'silence', peer: plainQemu, ...pauses },
    { name: `${scene}: longest pause of ticks in an idle second`, figure: 'idle', peer: virsh, ...shown },
    { name: `${scene}: take in all (virsh save)`, figure: 'save', peer: virsh, reach: 'no longer', ...noMore },
    {
      name: `${scene}: size of memory, MiB (virsh save)`,
      figure: 'size',
      peer: virsh,
      // No two guests use their memory alike to the page.
      reach: 'no larger, to 1 %',
      isReached: (ours, peer) => ours <= 1.01 * peer,
    },
    {
      name: `${scene}: apply until the guest runs (virsh restore)`,
      figure: 'restore',
      peer: virsh,
      ...(isSmall ? { reach: '≤ 0.5 × the peer', isReached: (ours, peer) => ours <= peer / 2 } : shown),
    },
    {
      name: `${scene}: apply until the guest runs (QEMU snapshot-load)`,
      figure: 'restore',
      peer: plainQemu,
      ...shown,
    },
  ];
}

function pauseReached(limitMs: number): FigureRow['isReached'] {
  return (ours, peer) => ours <= limitMs && peer / ours >= 10;
}

async function prepare(folder: string, memoryMiB: number, user: number | undefined): Promise<PreparedScene> {
  const fillMiB = memoryMiB > 256 ? 600 : 64;
  const guest = await OurGuest.create(folder, { memoryMiB, ...(user === undefined ? {} : { user }) });
  try {
    const copy = await PlainMachine.copyOf(guest.folder, folder);
    await guest.engine.request('start', { machine });
    await startTicking((await guest.sockets()).serial, fillMiB);
    const plain = PlainMachine.of(guest.folder, copy, await guest.commandLine());
    const { hosts } = await guest.engine.request('list', {});
    const accelerator = hosts.find(({ id }) => id === 'qemu')?.accelerator ?? 'tcg';
    await guest.engine.request('pause', { machine });
    return {
      ours: ours(guest),
      peers: {
        [virsh]: async () => byLibvirt(await LibvirtGuest.start(folder, { memoryMiB, accelerator }), fillMiB),
        [plainQemu]: () => byPlainQemu(plain, fillMiB),
      },
    };
  } catch (error) {
    await guest.remove();
    throw error;
  }
}

function ours(guest: OurGuest): Participant {
  const { engine } = guest;
  const events = (): ReturnType<ReadEvents> => guest.events();
  return {
    async run() {
      await engine.request('resume', { machine });
      await delay(settleMs);
      let id = '';
      const taken = await observe((await guest.sockets()).serial, events, async () => {
        const { checkpoint } = await engine.request('take', { machine, memory: true });
        id = checkpoint.id;
      });
      const { machine: shown } = await engine.request('show', { machine });
      const size = mebibytes(shown.checkpoints.find((one) => one.id === id)?.memoryFileBytes ?? NaN);
      await engine.request('stop', { machine, force: true });
      const began = Date.now();
      await engine.request('apply', { machine, checkpoint: id, discardNow: true });
      const restore = (await resumedAfter(events, began)) - began;
      await engine.request('delete', { machine, checkpoint: id, purge: true });
      await engine.request('pause', { machine });
      return { ...taken, save: taken['total'] ?? NaN, size, restore };
    },
    end: () => guest.remove(),
  };
}

async function byLibvirt(guest: LibvirtGuest, fillMiB: number): Promise<Participant> {
  await startTicking(guest.serial, fillMiB);
  await guest.virsh('suspend');
  const events = (): ReturnType<ReadEvents> => guest.events();
  let count = 0;
  return {
    async run() {
      count += 1;
      await guest.virsh('resume');
      await delay(settleMs);
      const [memory, saved] = [path.join(guest.folder, 'memory'), path.join(guest.folder, 'saved')];
      const disk = `vda,file=${path.join(guest.folder, `layer-${count}.qcow2`)}`;
      const taken = await observe(guest.serial, events, () =>
        guest.virsh('snapshot-create-as', `s${count}`, '--memspec', memory, '--diskspec', disk),
      );
      await rm(memory);
      const save = await timed(() => guest.virsh('save', saved));
      const size = mebibytes((await stat(saved)).size);
      const began = Date.now();
      await guest.restore(saved);
      const restore = (await resumedAfter(events, began)) - began;
      await rm(saved);
      await guest.virsh('suspend');
      return { ...taken, save, size, restore };
    },
    end: () => guest.remove(),
  };
}

async function byPlainQemu(plain: PlainMachine, fillMiB: number): Promise<Participant> {
  const guest = await plain.start();
  const events = (): ReturnType<ReadEvents> => guest.events();
  try {
    await guest.execute('query-status');
    await startTicking(guest.sockets.serial, fillMiB);
    await guest.execute('stop');
  } catch (error) {
    await guest.end();
    throw error;
  }
  return {
    async run() {
      await guest.execute('cont');
      await delay(settleMs);
      const taken = await observe(guest.sockets.serial, events, () => guest.snapshot('snapshot-save', 'one'));
      const began = Date.now();
      await guest.snapshot('snapshot-load', 'one');
      const restore = (await resumedAfter(events, began)) - began;
      await guest.snapshot('snapshot-delete', 'one');
      await guest.execute('stop');
      return { ...taken, restore };
    },
    end: () => guest.end(),
  };
}

/** Ticks of an idle second, and then what something does to them. */
async function observe(serial: string, events: ReadEvents, work: () => Promise<unknown>): Promise<Figures> {
  const ticks = await TickWatch.open(serial);
  try {
    const idle = await ticks.longestSilence(() => delay(1000));
    const since = Date.now();
    let total = NaN;
    const silence = await ticks.longestSilence(async () => {
      total = await timed(work);
    });
    return { idle, silence, total, pause: pausedSince(await events(), since) };
  } finally {
    ticks.close();
  }
}

function mebibytes(bytes: number): number {
  return bytes / 1024 / 1024;
}
