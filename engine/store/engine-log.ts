import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';

const largestLogBytes = 4 * 1024 * 1024;

/** The log that all engines of a home share; each line names its process. An older file is kept beside it. */
export class EngineLog {
  readonly file: string;
  #isReady = false;

  constructor(folder: string) {
    this.file = path.join(folder, 'engine.log');
  }

  info(message: string): void {
    this.#write('info', message);
  }

  error(message: string): void {
    this.#write('error', message);
  }

  #write(level: string, message: string): void {
    const line = `${new Date().toISOString()} [${process.pid}] ${level}: ${message}\n`;
    try {
      this.#prepare();
      appendFileSync(this.file, line, { mode: 0o600 });
    } catch {
      // A log that cannot be written, on a full or read-only volume, must not stop the work; the client shows this stream.
      process.stderr.write(line);
    }
  }

  #prepare(): void {
    if (this.#isReady) {
      return;
    }
    mkdirSync(path.dirname(this.file), { recursive: true, mode: 0o700 });
    if ((statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) > largestLogBytes) {
      renameSync(this.file, `${this.file}.1`);
    }
    this.#isReady = true;
  }
}
