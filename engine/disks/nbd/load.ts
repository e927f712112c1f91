import { nbdLimits } from './limits.ts';

/** What one client's requests hold at this moment, and who waits for less. */
export class Load {
  #requests = 0;
  #bytes = 0;
  readonly #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];
  readonly #onRoom: () => void;

  /** @param onRoom called whenever {@link isFull} may have become false */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** While true, no further request is taken from the client. */
  get isFull(): boolean {
    return (
      this.#requests >= nbdLimits.clientRequests || this.#bytes >= nbdLimits.clientBytes || this.#waiting.length > 0
    );
  }

  beginRequest(): void {
    this.#requests++;
  }

  /** To be called once the client has the reply, or is gone. */
  endRequest(): void {
    this.#requests--;
    if (this.#requests === 0) {
      this.#idle.forEach((resolve) => resolve());
      this.#idle = [];
    }
    this.#onRoom();
  }

  addBytes(length: number): void {
    this.#bytes += length;
  }

  removeBytes(length: number): void {
    this.#bytes -= length;
    while (this.#bytes < nbdLimits.clientBytes && this.#waiting.length > 0) {
      // Each that goes on adds its bytes at once, before the next is looked at.
      this.#waiting.shift()?.();
    }
    this.#onRoom();
  }

  /** Adds a piece's bytes, in turn, when there is room for it. */
  async whenRoom(length: number): Promise<void> {
    if (this.#bytes >= nbdLimits.clientBytes || this.#waiting.length > 0) {
      await new Promise<void>((resolve) =>
        this.#waiting.push(() => {
          this.addBytes(length);
          resolve();
        }),
      );
    } else {
      this.addBytes(length);
    }
  }

  /** Resolves once no request is under way. */
  async whenIdle(): Promise<void> {
    if (this.#requests > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }
}
