import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { machine, OurGuest } from './our-guest.ts';
import { PlainMachine } from './plain-guest.ts';
import type { Scene } from './scene.ts';

const limitMs = 60_000;
/** Of the guest's shell, as the serial port's log has it. */
const prompt = /:[^\n]*# /;

/** From the call to the prompt of the guest. */
export const startScene: Scene = {
  name: 'start',
  rows: [
    {
      name: 'start to prompt, 256 MiB (QEMU, same command line)',
      figure: 'prompt',
      peer: 'QEMU',
      reach: '≤ 100 ms more',
      isReached: (ours, peer) => ours - peer <= 100,
    },
  ],
  async prepare(folder) {
    const guest = await OurGuest.create(folder, { memoryMiB: 256 });
    const copy = await PlainMachine.copyOf(guest.folder, folder);
    let commandLine: string[] = [];
    return {
      ours: {
        async run() {
          const began = performance.now();
          await guest.engine.request('start', { machine });
          const figures = { prompt: await promptSince(began, (await guest.sockets()).serialLog) };
          commandLine = await guest.commandLine();
          await guest.engine.request('stop', { machine, force: true });
          return figures;
        },
        end: () => guest.remove(),
      },
      peers: {
        QEMU: () =>
          Promise.resolve({
            async run() {
              const plain = PlainMachine.of(guest.folder, copy, commandLine);
              const began = performance.now();
              const qemu = await plain.start();
              try {
                return { prompt: await promptSince(began, qemu.sockets.serialLog) };
              } finally {
                await qemu.end();
              }
            },
            end: () => Promise.resolve(),
          }),
      },
    };
  },
};

/** Waits for a prompt in a log that is empty at first. @returns how long it took, in ms */
async function promptSince(began: number, log: string): Promise<number> {
  for (;;) {
    if (prompt.test(await readFile(log, 'latin1').catch(() => ''))) {
      return performance.now() - began;
    }
    if (performance.now() - began > limitMs) {
      throw new Error(`The guest showed no prompt within ${limitMs} ms.`);
    }
    await delay(10);
  }
}
