import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { runCkpt } from './ckpt.ts';

/** What the shell tells the terminal to do, such as where its cursor is to go. */
// eslint-disable-next-line no-control-regex -- they begin with one
const terminalSequence = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** The shell's prompt, at the end of what it wrote. */
const prompt = /:[^\n]*# /;

const commandLimitMs = 60_000;

/** A root shell in a running guest, on its serial port; types commands and reads what they print. */
export class GuestShell {
  readonly #socket: net.Socket;
  #received = '';
  #commands = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
  }

  /** Waits until the guest answers at its prompt. */
  static async open(home: string, machine: string): Promise<GuestShell> {
    const { stdout } = await runCkpt(home, ['console', machine, '--json']);
    const socketPath = /"socket":"([^"]+)"/.exec(stdout)?.[1];
    if (socketPath === undefined) {
      throw new Error(`“${machine}” has no serial port: ${stdout}`);
    }
    return GuestShell.connect(socketPath);
  }

  /** The same at the serial port of a guest that somebody else runs. */
  static async connect(socketPath: string): Promise<GuestShell> {
    const socket = net.connect(socketPath);
    await once(socket, 'connect');
    const shell = new GuestShell(socket);
    try {
      await shell.#untilPrompt();
      return shell;
    } catch (error) {
      shell.close();
      throw error;
    }
  }

  /** Presses Enter until a prompt answers; only then is anything typed that could be taken for something else. */
  async #untilPrompt(): Promise<void> {
    const end = performance.now() + commandLimitMs;
    let pressed = Number.NEGATIVE_INFINITY;
    while (!prompt.test(this.#received)) {
      if (performance.now() > end || this.#socket.destroyed) {
        throw new Error(
          `The guest showed no prompt within ${commandLimitMs} ms. It wrote: ${this.#received.slice(-500)}`,
        );
      }
      if (performance.now() - pressed > 1000) {
        pressed = performance.now();
        this.#socket.write('\n');
      }
      await delay(20);
    }
    // Several Enters may have been answered late; what follows is numbered, so their prompts do no harm.
    await this.run('true');
  }

  /**
   * Runs a command in the guest.
   * @returns what it printed, without the final line break
   * @throws when it fails in the guest, or does not end in time
   */
  async run(command: string, limitMs = commandLimitMs): Promise<string> {
    const token = `${process.pid}x${++this.#commands}`;
    this.#received = '';
    // The markers are put together by the guest, so that the echo of what was typed is not taken for them.
    this.#socket.write(`\x15stty -echo; echo "BEGIN""-${token}"; ${command}\necho "END""-${token}-$?"; stty echo\n`);
    const finished = new RegExp(`BEGIN-${token}\\r?\\n([^]*)END-${token}-(\\d+)`);
    const end = performance.now() + limitMs;
    for (;;) {
      const found = finished.exec(this.#received);
      if (found !== null) {
        const output = (found[1] ?? '')
          .replace(terminalSequence, '')
          .replaceAll('\r', '')
          .replace(/^.*# (?=END|$)/gm, '')
          .trimEnd();
        if (found[2] !== '0') {
          throw new Error(`“${command}” ended with ${String(found[2])} in the guest: ${output}`);
        }
        return output;
      }
      if (performance.now() > end || this.#socket.destroyed) {
        throw new Error(
          `“${command}” did not end in the guest within ${limitMs} ms. It wrote: ${this.#received.slice(-500)}`,
        );
      }
      await delay(20);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Runs commands in the guest, through a shell that is opened and closed for them. */
export async function inGuest<T>(home: string, machine: string, use: (shell: GuestShell) => Promise<T>): Promise<T> {
  const shell = await GuestShell.open(home, machine);
  try {
    return await use(shell);
  } finally {
    shell.close();
  }
}
