import type { WireError } from '../protocol/errors.ts';

/** Exit codes of `ckpt`. */
export const exitCode = { done: 0, failed: 1, usage: 2, cancelled: 130 } as const;

/** Prints results for a person, or one JSON object for a program. */
export class Output {
  readonly isJson: boolean;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** @param text what a person reads instead of the object */
  result(object: object, text: string): void {
    process.stdout.write(this.isJson ? `${JSON.stringify(object)}\n` : `${text}\n`);
  }

  error(error: WireError): void {
    if (this.isJson) {
      process.stdout.write(`${JSON.stringify({ error })}\n`);
    } else {
      process.stderr.write(`ckpt: ${error.message} [${error.code}]\n`);
    }
  }

  /** What is being done, while a person waits. */
  progress(message: string): void {
    if (!this.isJson && process.stderr.isTTY) {
      process.stderr.write(`${message} …\n`);
    }
  }
}
