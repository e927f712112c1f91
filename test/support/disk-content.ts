import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runProgram } from './project.ts';

/** Reads files from a stopped machine's ext4 disk, without starting it, as its whole chain shows them. */
export async function withDiskContent<T>(activeLayer: string, use: (disk: DiskContent) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ckpt-disk-'));
  try {
    const raw = path.join(folder, 'disk.raw');
    await runProgram('qemu-img', ['convert', '-O', 'raw', activeLayer, raw]);
    return await use(new DiskContent(raw));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export class DiskContent {
  readonly #raw: string;

  constructor(raw: string) {
    this.#raw = raw;
  }

  /** Content of a file; debugfs prints nothing for one that is not there. */
  async read(file: string): Promise<string> {
    return (await runProgram('debugfs', ['-R', `cat ${file}`, this.#raw], withSystemPath())).trimEnd();
  }

  /** SHA-256 of a file's content. */
  async hash(file: string): Promise<string> {
    const dumped = `${this.#raw}.dumped`;
    await runProgram('debugfs', ['-R', `dump ${file} ${dumped}`, this.#raw], withSystemPath());
    return createHash('sha256')
      .update(await readFile(dumped))
      .digest('hex');
  }

  /** Does what the guest does first when it is started after it was cut off; a clean file system stays as it is. */
  async replayJournal(): Promise<void> {
    await runProgram('e2fsck', ['-E', 'journal_only', '-y', this.#raw], withSystemPath());
  }

  /** @throws when the file system has any fault */
  async check(): Promise<void> {
    await runProgram('e2fsck', ['-fn', this.#raw], withSystemPath());
  }
}

/** debugfs and e2fsck are system programs, which a user's PATH may leave out. */
function withSystemPath(): { env: NodeJS.ProcessEnv } {
  return { env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } };
}
