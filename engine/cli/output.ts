import { systemCode, toWireError } from '../model/checkpoint-error.ts';
import type { WireError } from '../protocol/errors.ts';

/** Exit codes of `ckpt`. */
export const exitCode = { done: 0, failed: 1, usage: 2, cancelled: 130 } as const;

/** Prints results for a person, or one JSON object for a program. */
export class Output {
  readonly isJson: boolean;
  #percent: number | undefined;

  constructor(isJson: boolean) {
    this.isJson = isJson;
    process.stdout.on('error', noteLostOutput);
  }

  /** @param text what a person reads instead of the object */
  result(object: object, text: string): void {
    process.stdout.write(this.isJson ? `${JSON.stringify(object)}\n` : `${printable(text)}\n`);
  }

  error(error: WireError): void {
    if (this.isJson) {
      process.stdout.write(`${JSON.stringify({ error })}\n`);
    } else {
      process.stderr.write(`ckpt: ${printable(error.message)} [${error.code}]\n`);
    }
  }

  /**
   * What is being done, while a person waits.
   * @param fraction share done, from 0 to 1
   */
  progress(message: string, fraction?: number): void {
    if (this.isJson || !process.stderr.isTTY) {
      return;
    }
    if (fraction === undefined) {
      process.stderr.write(`${message} …\n`);
    } else {
      const percent = Math.floor(fraction * 100);
      if (percent !== this.#percent) {
        this.#percent = percent;
        process.stderr.write(`\r${message} … ${percent} %${percent === 100 ? '\n' : ''}`);
      }
    }
  }
}

/**
 * Output that nobody gets does not stop what is being done, and the exit code tells. `ckpt … | head` ends the pipe
 * without anything being wrong, so nothing is said then.
 */
function noteLostOutput(error: Error): void {
  if (systemCode(error) !== 'EPIPE') {
    process.stderr.write(`ckpt: ${printable(toWireError(error).message)}\n`);
  }
  process.once('exit', () => {
    process.exitCode = exitCode.failed;
  });
}

/** Names in records and in file systems may hold what a terminal would obey; it is shown, not obeyed. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
