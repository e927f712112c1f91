import type { Socket } from 'node:net';

interface Outgoing {
  buffer: Buffer;
  /** Called once the kernel has the bytes, or the client is gone. */
  onTaken: () => void;
}

const flushBytes = 512 * 1024;

/** The way back to a client. What becomes ready in one turn of the event loop leaves in one system call. */
export class ReplyStream {
  readonly #socket: Socket;
  #ready: Outgoing[] = [];
  #readyBytes = 0;
  /** Replies that wait for one whose parts must not be torn apart; undefined while there is none. */
  #held: Outgoing[] | undefined;
  readonly #turns: (() => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends a whole reply or chunk. */
  send(buffer: Buffer, onTaken: () => void): void {
    if (this.#held === undefined) {
      this.sendPart(buffer, onTaken);
    } else {
      this.#held.push({ buffer, onTaken });
    }
  }

  /** Begins a reply that is sent in parts: nothing else is sent until {@link endParts}. */
  async beginParts(): Promise<void> {
    if (this.#held !== undefined) {
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    }
    this.#held ??= [];
  }

  sendPart(buffer: Buffer, onTaken: () => void): void {
    this.#ready.push({ buffer, onTaken });
    this.#readyBytes += buffer.length;
    if (this.#ready.length === 1) {
      setImmediate(() => this.#flush());
    } else if (this.#readyBytes >= flushBytes) {
      this.#flush();
    }
  }

  endParts(): void {
    const held = this.#held ?? [];
    const next = this.#turns.shift();
    this.#held = next === undefined ? undefined : [];
    held.forEach(({ buffer, onTaken }) => this.sendPart(buffer, onTaken));
    next?.();
  }

  /** Drops the client, where nothing can be said any more. */
  destroy(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    const batch = this.#ready;
    if (batch.length === 0) {
      return;
    }
    this.#ready = [];
    this.#readyBytes = 0;
    const taken = (): void => batch.forEach(({ onTaken }) => onTaken());
    this.#socket.cork();
    batch.forEach(({ buffer }, index) => {
      if (index === batch.length - 1) {
        this.#socket.write(buffer, taken);
      } else {
        this.#socket.write(buffer);
      }
    });
    this.#socket.uncork();
  }
}
