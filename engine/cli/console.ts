import { once } from 'node:events';
import { open } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckpointService } from '../checkpoints/checkpoint-service.ts';
import type { SerialPort } from '../hosts/host.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { tryFileLock } from '../store/file-lock.ts';
import { lockedError } from '../store/machine-lock.ts';

/** Ctrl+], as telnet and virsh have it. */
const leaveKey = 0x1d;
/** How much of what the guest wrote before is shown. */
const shownLogBytes = 8192;
const pollMs = 200;
/** After the end of piped input: how long the guest may be silent before its answer counts as complete. */
const silenceMs = 1000;

/**
 * Joins this terminal to a machine's serial port until the user leaves with Ctrl+], or standard input ends.
 * Follows the machine through stop, start and revert.
 * @throws MachineNotRunning when it is stopped and nobody is there to wait
 */
export async function runConsole(
  service: CheckpointService,
  machine: string,
  face: string,
  interrupted?: AbortSignal,
): Promise<void> {
  const { stdin, stdout } = process;
  const isInteractive = stdin.isTTY;
  const leave = new AbortController();
  interrupted?.addEventListener('abort', () => leave.abort());
  if ((await service.serialPort(machine)) === undefined && !isInteractive) {
    throw new CheckpointError('MachineNotRunning', `Machine “${machine}” is not running. Start it first.`, { machine });
  }
  const terminal = new TerminalInput(leave);
  if (isInteractive) {
    stdin.setRawMode(true);
  }
  stdin.on('data', (chunk: Buffer) => terminal.receive(chunk));
  stdin.once('end', () => terminal.endInput());
  try {
    notice(`Console of ${machine}. Leave with Ctrl+].`);
    let attachments = 0;
    while (!leave.signal.aborted) {
      const port = await service.serialPort(machine);
      if (port === undefined) {
        notice('The machine is stopped. Waiting for it to start.');
        await untilStarted(service, machine, leave.signal);
      } else {
        await attach(port, terminal, face, attachments++ > 0, leave.signal);
      }
    }
  } catch (error) {
    if (!leave.signal.aborted) {
      throw error;
    }
  } finally {
    stdin.removeAllListeners('data');
    if (isInteractive) {
      stdin.setRawMode(false);
    }
    stdin.pause();
    stdout.write('\r\n');
  }
}

/** What is typed goes to the guest. Before the first guest is there it is kept; while a later one is away it is dropped. */
class TerminalInput {
  readonly #leave: AbortController;
  #guest: net.Socket | undefined;
  #early: Buffer[] | undefined = [];
  #hasEnded = false;
  #silence: NodeJS.Timeout | undefined;

  constructor(leave: AbortController) {
    this.#leave = leave;
  }

  join(guest: net.Socket): void {
    this.#guest = guest;
    this.#early?.forEach((chunk) => guest.write(chunk));
    this.#early = undefined;
    if (this.#hasEnded) {
      this.endInput();
    }
  }

  part(): void {
    this.#guest = undefined;
  }

  receive(chunk: Buffer): void {
    const end = chunk.indexOf(leaveKey);
    const typed = end === -1 ? chunk : chunk.subarray(0, end);
    this.#guest?.write(typed);
    this.#early?.push(typed);
    if (end !== -1) {
      this.#leave.abort();
    }
  }

  /** Input has ended; the guest may still answer. */
  endInput(): void {
    this.#hasEnded = true;
    if (this.#guest !== undefined) {
      this.#silence = setTimeout(() => this.#leave.abort(), silenceMs);
    }
  }

  /** The guest has written something. */
  heard(): void {
    this.#silence?.refresh();
  }
}

function notice(text: string): void {
  process.stdout.write(`\r\n\x1b[2m── ${text} ──\x1b[0m\r\n`);
}

async function untilStarted(service: CheckpointService, machine: string, signal: AbortSignal): Promise<void> {
  while ((await service.serialPort(machine)) === undefined) {
    await delay(pollMs, undefined, { signal });
  }
}

async function attach(
  port: SerialPort,
  terminal: TerminalInput,
  face: string,
  isAgain: boolean,
  signal: AbortSignal,
): Promise<void> {
  const lock = await soleConsole(port, face, signal);
  if (lock === undefined) {
    return;
  }
  const socket = net.connect(port.socket);
  // A machine that is put back goes without a word, with what was typed unread: its end is enough to know.
  socket.on('error', () => undefined);
  const close = (): void => void socket.destroy();
  signal.addEventListener('abort', close, { once: true });
  try {
    await once(socket, 'connect', { signal }).catch(() => socket.destroy());
    if (socket.destroyed) {
      await delay(pollMs, undefined, { signal });
      return;
    }
    const earlier = await endOfLog(port.log);
    process.stdout.write(earlier);
    if (isAgain) {
      notice('Joined to the machine again. Press Enter for a prompt.');
    } else if (earlier.length === 0) {
      notice('The guest has written nothing yet. Press Enter for a prompt.');
    }
    terminal.join(socket);
    socket.on('data', (chunk) => {
      terminal.heard();
      process.stdout.write(chunk);
    });
    await untilClosed(socket);
  } finally {
    terminal.part();
    signal.removeEventListener('abort', close);
    socket.destroy();
    await lock.release();
  }
}

/** Never rejects, as `once` would when the connection is reset. */
async function untilClosed(socket: net.Socket): Promise<void> {
  if (!socket.closed) {
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  }
}

/** QEMU serves one client a serial port; a second one would wait without a word, so it waits here and is told. */
async function soleConsole(
  port: SerialPort,
  face: string,
  signal: AbortSignal,
): Promise<{ release(): Promise<void> } | undefined> {
  const file = path.join(path.dirname(port.socket), 'console.lock');
  let isTold = false;
  for (;;) {
    try {
      const attempt = await tryFileLock(file, { operation: 'console', face });
      if ('lock' in attempt) {
        return attempt.lock;
      }
      if (!process.stdin.isTTY) {
        throw lockedError('The console', attempt.holder);
      }
      if (!isTold) {
        isTold = true;
        const holder =
          attempt.holder === undefined ? 'another terminal' : `${attempt.holder.face} (process ${attempt.holder.pid})`;
        notice(`The console is open in ${holder}. It joins here when that one closes.`);
      }
    } catch (error) {
      if (error instanceof CheckpointError) {
        throw error;
      }
      // The machine has stopped meanwhile, and its folder with it.
      return undefined;
    }
    await delay(pollMs, undefined, { signal });
  }
}

async function endOfLog(file: string): Promise<Buffer> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) {
    return Buffer.alloc(0);
  }
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, shownLogBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.subarray(0, bytesRead);
    return size > shownLogBytes ? text.subarray(text.indexOf(0x0a) + 1) : text;
  } finally {
    await handle.close();
  }
}
