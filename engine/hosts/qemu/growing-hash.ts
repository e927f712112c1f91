import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { WriteOut } from './write-out.ts';

const pieceBytes = 1024 * 1024;
const intervalMs = 10;
/**
 * SHA-256 of a file to which another process appends, made while it grows: little is left to do when it is whole. What was hashed
 * begins its way to the disk, as the system would hold it back until somebody waits for all of it.
 */
export class GrowingHash {
  readonly #file: string;
  readonly #result: Promise<string>;
  #isWhole = false;
  #isGivenUp = false;

  constructor(file: string) {
    this.#file = file;
    this.#result = this.#follow();
    // Asked for in the end, if at all.
    this.#result.catch(() => undefined);
  }

  /** After the last byte was written. @returns the hash of the whole file, in hexadecimal */
  end(): Promise<string> {
    this.#isWhole = true;
    return this.#result;
  }

  /** Nobody wants it any more; the file is closed afterwards. */
  async giveUp(): Promise<void> {
    this.#isGivenUp = true;
    await this.#result.catch(() => undefined);
  }

  async #follow(): Promise<string> {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(pieceBytes);
    const handle = await open(this.#file, 'r');
    const writeOut = new WriteOut(handle.fd);
    try {
      let at = 0;
      while (!this.#isGivenUp) {
        // Before the reading: what finds nothing after the last write has all.
        const isWhole = this.#isWhole;
        const { bytesRead } = await handle.read(buffer, 0, pieceBytes, at);
        hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
        writeOut.upTo(at);
        if (bytesRead === 0 && isWhole) {
          break;
        }
        if (bytesRead < pieceBytes && !isWhole) {
          await delay(intervalMs);
        }
      }
      return hash.digest('hex');
    } finally {
      await writeOut.end();
      await handle.close();
    }
  }
}
