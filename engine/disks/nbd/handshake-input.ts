import type { Socket } from 'node:net';

/** Thrown where a client is to be dropped without a word. */
export class ClientDropped extends Error {
  override readonly name = 'ClientDropped';
}

/** More than this is not taken from a client ahead of need. */
const aheadBytes = 64 * 1024;

/** What a client says while it negotiates, taken piece by piece. */
export class HandshakeInput {
  readonly #socket: Socket;
  #buffered: Buffer = Buffer.alloc(0);
  #wanted = 0;
  #arrived: (() => void) | undefined;
  #isClosed = false;
  readonly #onData = (chunk: Buffer): void => {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    if (this.#buffered.length >= Math.max(this.#wanted, aheadBytes)) {
      this.#socket.pause();
    }
    if (this.#buffered.length >= this.#wanted) {
      this.#arrived?.();
    }
  };
  readonly #onClose = (): void => {
    this.#isClosed = true;
    this.#arrived?.();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData);
    socket.once('close', this.#onClose);
  }

  /** @param length bounded by the caller. @throws ClientDropped when the client goes away before */
  async take(length: number): Promise<Buffer> {
    while (this.#buffered.length < length) {
      if (this.#isClosed) {
        throw new ClientDropped('The client went away.');
      }
      this.#wanted = length;
      this.#socket.resume();
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
    const taken = this.#buffered.subarray(0, length);
    this.#buffered = this.#buffered.subarray(length);
    return taken;
  }

  /** Takes and forgets. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      const part = Math.min(left, aheadBytes);
      await this.take(part);
      left -= part;
    }
  }

  /** Ends this view of the socket, which is then paused. @returns what was received beyond the handshake */
  release(): Buffer {
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('close', this.#onClose);
    return this.#buffered;
  }
}
