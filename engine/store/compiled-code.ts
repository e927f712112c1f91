import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';

const suffix = '.code';
const digestBytes = 32;
const largestBytes = 32 * 1024 * 1024;

/** The editor's Node, that of a terminal, and their next versions, each for both faces. */
const mostFiles = 8;

/** What this computer's V8 made of a program: half of the time that the program needs to start. */
export class CompiledCode {
  readonly #folder: string;
  readonly #file: string;

  /**
   * @param folder is made when it is needed, where the folder that it lies in is there
   * @param name of the program, and what its code is good for
   * @param program its text
   */
  constructor(folder: string, name: string, program: Buffer) {
    this.#folder = folder;
    const { v8, electron = '' } = process.versions;
    const key = createHash('sha256')
      .update(`${[v8, electron, process.arch, ...process.execArgv].join(' ')}\n`)
      .update(program)
      .digest('hex');
    this.#file = path.join(folder, `${name}-${key.slice(0, 32)}${suffix}`);
  }

  /** @returns undefined when there is none that can be believed: this user's alone, and whole by its digest */
  read(): Buffer | undefined {
    try {
      const content = readOwnFile(this.#file);
      const code = content.subarray(digestBytes);
      return content.subarray(0, digestBytes).equals(sha256(code)) ? code : undefined;
    } catch {
      return undefined;
    }
  }

  /** Replaces it, as far as that is possible: it only saves time. */
  write(code: Buffer): void {
    const draft = `${this.#file}.${randomBytes(4).toString('hex')}.new`;
    try {
      makeFolder(this.#folder);
      writeFileSync(draft, Buffer.concat([sha256(code), code]), { flag: 'wx', mode: 0o600 });
      renameSync(draft, this.#file);
      this.#sweep();
    } catch {
      rmSync(draft, { force: true });
    }
  }

  #sweep(): void {
    const files = readdirSync(this.#folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => path.join(this.#folder, name))
      .map((file) => ({ file, writtenMs: statSync(file).mtimeMs }))
      .sort((one, other) => other.writtenMs - one.writtenMs);
    files.slice(mostFiles).forEach(({ file }) => rmSync(file, { force: true }));
  }
}

/** A home that is not there yet is not made for this. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(folder, { mode: 0o700 });
  }
}

function sha256(content: Buffer): Buffer {
  return createHash('sha256').update(content).digest();
}

/** @throws when it is not there, too long, or somebody else's or writable for others */
function readOwnFile(file: string): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    const isOwn = process.platform === 'win32' || (found.uid === userInfo().uid && (found.mode & 0o022) === 0);
    if (!found.isFile() || !isOwn || found.size > largestBytes) {
      throw new Error(`${file} cannot be believed.`);
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
