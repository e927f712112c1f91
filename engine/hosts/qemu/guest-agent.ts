import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';

const success = z.object({ return: z.unknown() });
const failure = z.object({ error: z.object({ class: z.string(), desc: z.string() }) });
const answer = z.union([success, failure]);
type Answer = z.output<typeof answer>;

/** The agent keeps 16 MiB of what a program printed on each of its outputs, and sends it in base64 (qga/commands.c). */
const longestAnswerBytes = 48 * 1024 * 1024;
/** Makes the agent drop whatever an earlier client left unfinished. */
const dropByte = 0xff;

/**
 * A connection to the agent in a guest (QEMU guest agent protocol, qga/qapi-schema.json). What comes from there is the
 * guest's, and may be anything.
 */
export class GuestAgent {
  readonly #socket: net.Socket;
  #received = '';
  #receive: ((found: Answer) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => this.#read(text));
  }

  /**
   * Connects and waits until the agent listens to us (`guest-sync`).
   * @throws GuestNotResponding when none does within the limit
   */
  static async connect(socketPath: string, limitMs: number): Promise<GuestAgent> {
    const socket = net.connect(socketPath);
    const agent = new GuestAgent(socket);
    try {
      const end = performance.now() + limitMs;
      await once(socket, 'connect', { signal: AbortSignal.timeout(limitMs) });
      const token = Math.floor(Math.random() * 2 ** 31);
      await agent.#ask(
        Buffer.concat([Buffer.of(dropByte), lineOf('guest-sync', { id: token })]),
        end - performance.now(),
        (found) => 'return' in found && found.return === token,
      );
      return agent;
    } catch (error) {
      socket.destroy();
      throw notResponding(error);
    }
  }

  /**
   * Runs a command that has an answer.
   * @returns what the agent returned, unparsed
   * @throws GuestNotResponding when it does not answer within the limit, or refuses
   */
  async execute(command: string, args: Record<string, unknown>, limitMs: number): Promise<unknown> {
    const found = await this.#ask(lineOf(command, args), limitMs, () => true);
    if ('error' in found) {
      const words = found.error.desc.replace(/\p{C}/gu, ' ').slice(0, 300);
      throw new CheckpointError('GuestNotResponding', `The agent in the guest refused “${command}”: ${words}.`, {
        command,
        output: words,
      });
    }
    return found.return;
  }

  /** Runs a command that has no answer when it succeeds. */
  tell(command: string, args: Record<string, unknown>): void {
    this.#socket.write(lineOf(command, args));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** @param isOurs what else comes in was meant for somebody before us */
  #ask(request: Buffer, limitMs: number, isOurs: (found: Answer) => boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (): void => finish(() => reject(notResponding()));
      const limit = setTimeout(fail, Math.max(0, limitMs));
      const finish = (settle: () => void): void => {
        clearTimeout(limit);
        this.#socket.off('close', fail);
        this.#receive = undefined;
        settle();
      };
      this.#receive = (found) => {
        if (isOurs(found)) {
          finish(() => resolve(found));
        }
      };
      this.#socket.once('close', fail);
      this.#socket.write(request);
    });
  }

  #read(text: string): void {
    this.#received += text;
    if (this.#received.length > longestAnswerBytes) {
      this.#socket.destroy();
      return;
    }
    const lines = this.#received.split('\n');
    this.#received = lines.pop() ?? '';
    for (const line of lines) {
      const found = parse(line);
      if (found !== undefined) {
        this.#receive?.(found);
      }
    }
  }
}

/**
 * Asks the guest's agent to power the guest down (`guest-shutdown`).
 * @returns false when no agent answers within the limit
 */
export async function shutDownByAgent(socketPath: string, limitMs: number): Promise<boolean> {
  try {
    const agent = await GuestAgent.connect(socketPath, limitMs);
    try {
      agent.tell('guest-shutdown', { mode: 'powerdown' });
      await delay(200);
      return true;
    } finally {
      agent.close();
    }
  } catch {
    return false;
  }
}

function lineOf(command: string, args: Record<string, unknown>): Buffer {
  return Buffer.from(`${JSON.stringify({ execute: command, arguments: args })}\n`);
}

/** Lines that are no answer are what an interrupted earlier one left, and are passed over. */
function parse(line: string): Answer | undefined {
  try {
    return answer.safeParse(JSON.parse(Buffer.from(line.replaceAll('\u00ff', ''), 'latin1').toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function notResponding(cause?: unknown): CheckpointError {
  return new CheckpointError(
    'GuestNotResponding',
    'The agent in the guest does not answer. Install or start the QEMU guest agent there.',
    {},
    { cause },
  );
}
