import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { GuestShell } from '../../support/guest.ts';

/** How often the guest ticks where nothing hinders it: it sleeps 2 ms, and takes about one for the rest. */
const sleepSeconds = 0.002;
/** Until what was silent last is heard of. */
const lingerMs = 300;

/** What a tick is more than a byte on the serial port. */
export type TickKind = 'plain' | 'writes a file';

/**
 * Fills memory of a guest with what does not compress, and has a process of it tick on its serial port for good.
 * @param fillMiB kept in its memory
 */
export async function startTicking(socket: string, fillMiB: number, kind: TickKind = 'plain'): Promise<void> {
  const shell = await GuestShell.connect(socket);
  try {
    const pieces = Math.floor(fillMiB / 8);
    if (pieces > 0) {
      await shell.run(
        'mkdir -p /run/fill; mount -t tmpfs -o size=90% none /run/fill; head -c 8388608 /dev/urandom > /run/fill/0',
      );
      await shell.run(
        `n=0; while [ $n -lt ${pieces} ]; do n=$((n+1)); cat /run/fill/0 > /run/fill/$n || exit; done; true`,
      );
    }
    const write = kind === 'plain' ? '' : 'echo >> /root/ticks; ';
    await shell.run(
      `mkfifo /tmp/never; (exec 3<>/tmp/never; while :; do ${write}read -t ${sleepSeconds} x <&3; printf . > /dev/ttyS0; done) > /dev/null 2>&1 &`,
    );
  } finally {
    shell.close();
  }
}

/** Listens to a guest's ticks from outside. */
export class TickWatch {
  readonly #socket: net.Socket;
  #last = performance.now();
  #longest = 0;
  #count = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#note();
      this.#count += chunk.length;
    });
  }

  /** @param path the guest's serial port */
  static async open(path: string): Promise<TickWatch> {
    const socket = net.connect(path);
    await once(socket, 'connect');
    return new TickWatch(socket);
  }

  /** @returns the longest silence while something is done, in ms @throws when there is no tick at all */
  async longestSilence(work: () => Promise<unknown>): Promise<number> {
    // In the midst of its ticks.
    await delay(lingerMs);
    this.#last = performance.now();
    this.#longest = 0;
    this.#count = 0;
    await work();
    await delay(lingerMs);
    this.#note();
    if (this.#count === 0) {
      throw new Error('The guest does not tick.');
    }
    return this.#longest;
  }

  close(): void {
    this.#socket.destroy();
  }

  #note(): void {
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }
}
