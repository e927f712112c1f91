import { statSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { MachineFolder } from '../../store/machine-folder.ts';
import { consolePicture, lookedAtBytes } from './console-picture.ts';
import { socketsIn } from './sockets-folder.ts';

/** What a machine's console showed at one moment. Nothing fails because that cannot be told. */
export class ConsoleLook {
  readonly #folder: string;
  #endBytes = 0;

  /** @param socketsFolder of the machine's process */
  constructor(socketsFolder: string) {
    this.#folder = socketsFolder;
  }

  /**
   * This is the moment. QEMU writes to the log what the guest writes before the guest goes on, so its length is all that there
   * is to be asked while the guest stands still: one call of the system, some microseconds.
   */
  mark(): void {
    try {
      this.#endBytes = statSync(this.#log).size;
    } catch {
      this.#endBytes = 0;
    }
  }

  /** What it showed then; the guest may have gone on since. Empty when that is nothing, or cannot be told. */
  async read(): Promise<{ console?: string }> {
    try {
      const from = Math.max(0, this.#endBytes - lookedAtBytes);
      const written = await bytesOf(this.#log, from, this.#endBytes);
      const before = from > 0 ? '' : await readFile(beforeLog(this.#folder), 'utf8').catch(() => '');
      const picture = consolePicture(written, from > 0, before);
      return picture === undefined ? {} : { console: picture };
    } catch {
      return {};
    }
  }

  get #log(): string {
    return socketsIn(this.#folder).serialLog;
  }
}

/**
 * Tells later looks what the console of a successor showed when its memory was saved: its log begins empty. Never rejects.
 * @param picture absent where that is not known
 */
export async function rememberConsole(folder: MachineFolder, picture: string | undefined): Promise<void> {
  try {
    const successor = picture === undefined ? undefined : await folder.processes.read('successor');
    if (successor !== undefined && picture !== undefined) {
      await writeFile(beforeLog(successor.socketsFolder), picture, { mode: 0o600 });
    }
  } catch {
    // Its next checkpoint begins with an empty screen.
  }
}

function beforeLog(socketsFolder: string): string {
  return path.join(socketsFolder, 'console-before');
}

async function bytesOf(file: string, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  const handle = await open(file, 'r');
  try {
    let read = 0;
    while (read < bytes.length) {
      const { bytesRead } = await handle.read(bytes, read, bytes.length - read, from + read);
      if (bytesRead === 0) {
        break;
      }
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  } finally {
    await handle.close();
  }
}
