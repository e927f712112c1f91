import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { connectForDescriptors, type DescriptorSocket } from './descriptor-passing.ts';

const event = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
  /** When QEMU saw it, by the clock of the day. */
  timestamp: z.object({ seconds: z.number(), microseconds: z.number() }),
});
const failure = z.object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.int().optional() });
const success = z.object({ return: z.unknown(), id: z.int().optional() });
const greeting = z.object({ QMP: z.object({}) });
const message = z.union([event, failure, success, greeting]);

export type QmpEvent = z.output<typeof event>;

/** No answer of QEMU's is near this long. */
const longestLineBytes = 16 * 1024 * 1024;
const defaultLimitMs = 10_000;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** How to wait for something that QEMU does. */
export interface Waiting {
  /** Not every change comes with an event. */
  everyMs: number;
  /** Absent for as long as it takes; `what` it is that takes longer begins a sentence. */
  limit?: { ms: number; what: string };
  signal?: AbortSignal | undefined;
}

/**
 * A connection to the machine protocol of a running QEMU (QEMU docs/interop/qmp-spec.rst). No call waits longer than its
 * limit: a QEMU that hangs gives `QmpTimeout`.
 */
export class QmpConnection {
  readonly #socket: net.Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #closed: Error | undefined;
  readonly #send: DescriptorSocket['send'] | undefined;

  private constructor(socket: net.Socket, send?: DescriptorSocket['send']) {
    this.#socket = socket;
    this.#send = send;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () =>
      this.#close(new CheckpointError('QemuFailed', 'QEMU ended or closed its control connection.')),
    );
  }

  /** @throws QemuFailed when nobody listens, QmpTimeout */
  static async connect(socketPath: string, limitMs = defaultLimitMs): Promise<QmpConnection> {
    const socket = net.connect(socketPath);
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(limitMs) });
    } catch (error) {
      socket.destroy();
      throw new CheckpointError(
        'QemuFailed',
        `QEMU does not listen at ${socketPath}.`,
        { path: socketPath },
        { cause: error },
      );
    }
    return new QmpConnection(socket).#negotiated(limitMs);
  }

  /**
   * As {@link connect}; where possible, in a way that lets {@link passDescriptor} work.
   * @throws QemuFailed when nobody listens, QmpTimeout
   */
  static async connectForDescriptors(socketPath: string, limitMs = defaultLimitMs): Promise<QmpConnection> {
    const connected = connectForDescriptors(socketPath);
    return connected === undefined
      ? QmpConnection.connect(socketPath, limitMs)
      : new QmpConnection(connected.socket, connected.send).#negotiated(limitMs);
  }

  async #negotiated(limitMs: number): Promise<this> {
    try {
      await this.execute('qmp_capabilities', {}, limitMs);
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Runs a command.
   * @returns what QEMU returned, unparsed
   * @throws QemuFailed with QEMU's description, QmpTimeout
   */
  async execute(command: string, args: Record<string, unknown> = {}, limitMs = defaultLimitMs): Promise<unknown> {
    return this.#ask(command, args, limitMs, (line) => this.#socket.write(line));
  }

  /**
   * Gives QEMU an open file under a name that commands on this connection can use, once (QMP `getfd`). Nothing else may be
   * under way.
   * @returns false where descriptors cannot be passed
   * @throws QemuFailed, QmpTimeout
   */
  async passDescriptor(name: string, descriptor: number): Promise<boolean> {
    const send = this.#send;
    if (send === undefined) {
      return false;
    }
    await this.#ask('getfd', { fdname: name }, defaultLimitMs, (line) => {
      if (!send(line, descriptor)) {
        this.#socket.destroy();
      }
    });
    return true;
  }

  async #ask(
    command: string,
    args: Record<string, unknown>,
    limitMs: number,
    send: (line: string) => void,
  ): Promise<unknown> {
    if (this.#closed !== undefined) {
      throw this.#closed;
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#pending.delete(id);
        reject(
          new CheckpointError(
            'QmpTimeout',
            `QEMU did not answer “${command}” within ${limitMs / 1000} s. It is busy, or hangs: try again, or force the machine off (ckpt stop --force).`,
            {
              command,
              limitMs,
            },
          ),
        );
      }, limitMs);
      this.#pending.set(id, {
        resolve: (value) => {
          clearTimeout(limit);
          resolve(value);
        },
        reject: (error) => {
          clearTimeout(limit);
          reject(error);
        },
      });
      send(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  /** Like {@link execute}, with the answer checked against a schema. */
  async query<S extends z.ZodType>(
    command: string,
    schema: S,
    args: Record<string, unknown> = {},
    limitMs = defaultLimitMs,
  ): Promise<z.output<S>> {
    const answer = schema.safeParse(await this.execute(command, args, limitMs));
    if (!answer.success) {
      throw new CheckpointError('QemuFailed', `QEMU answered “${command}” in a way that is not known here.`, {
        command,
        problem: answer.error.issues[0]?.message,
      });
    }
    return answer.data;
  }

  /** Calls back for each event until the returned function is called. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks QEMU for something until it has come to pass: again at each event, and when none comes for a while.
   * @param ask undefined for not yet; what it throws ends the waiting
   * @throws QmpTimeout after the limit, the signal's reason
   */
  async until<T>(ask: () => Promise<T | undefined>, { everyMs, limit, signal }: Waiting): Promise<T> {
    const started = performance.now();
    let wake: (() => void) | undefined;
    const stopListening = this.onEvent(() => wake?.());
    try {
      for (;;) {
        signal?.throwIfAborted();
        // Before it is asked: what happens meanwhile is not missed.
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const answer = await ask();
        if (answer !== undefined) {
          return answer;
        }
        if (limit !== undefined && performance.now() - started > limit.ms) {
          const { ms, what } = limit;
          throw new CheckpointError('QmpTimeout', `${what} has not ended after ${ms / 1000} s.`, { limitMs: ms });
        }
        await Promise.race([changed, delay(everyMs)]);
      }
    } finally {
      stopListening();
    }
  }

  /** Resolves when the connection has ended, whoever ended it. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed === undefined) {
        this.#socket.once('close', () => resolve());
      } else {
        resolve();
      }
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > longestLineBytes) {
      this.#socket.destroy();
      return;
    }
    this.#received.push(chunk);
    if (!chunk.includes(0x0a)) {
      return;
    }
    const lines = Buffer.concat(this.#received).toString('utf8').split('\n');
    const rest = Buffer.from(lines.pop() ?? '', 'utf8');
    this.#received = [rest];
    this.#receivedBytes = rest.length;
    for (const line of lines) {
      this.#handle(line);
    }
  }

  #handle(line: string): void {
    let parsed: z.output<typeof message>;
    try {
      parsed = message.parse(JSON.parse(line));
    } catch {
      // Not the protocol: whoever speaks here is not a QEMU that can be trusted with a machine.
      this.#socket.destroy();
      return;
    }
    if ('event' in parsed) {
      for (const listener of this.#listeners) {
        listener(parsed);
      }
    } else if ('error' in parsed) {
      this.#take(parsed.id)?.reject(
        new CheckpointError('QemuFailed', `QEMU refused: ${parsed.error.desc}.`, {
          class: parsed.error.class,
          output: parsed.error.desc,
        }),
      );
    } else if ('return' in parsed) {
      this.#take(parsed.id)?.resolve(parsed.return);
    }
  }

  #take(id: number | undefined): Pending | undefined {
    if (id === undefined) {
      return undefined;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #close(error: Error): void {
    this.#closed = error;
    for (const pending of this.#pending.values()) {
      pending.reject(error);
    }
    this.#pending.clear();
  }
}
