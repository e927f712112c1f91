import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processRecord } from '../../engine/store/records.ts';
import { isProcessAlive } from '../../engine/store/process-identity.ts';
import { Ckpt } from './ckpt.ts';
import { guestFolder } from './project.ts';
import { guestImageName } from './set-up.ts';

/** A home of its own for one test file; removing it ends whatever still runs in it. */
export class TestHome {
  readonly folder: string;
  readonly ckpt: Ckpt;

  private constructor(folder: string) {
    this.folder = folder;
    this.ckpt = new Ckpt(folder);
  }

  static async create(): Promise<TestHome> {
    return new TestHome(await mkdtemp(path.join(tmpdir(), 'ckpt-')));
  }

  /** One that is there already, or will be. */
  static at(folder: string): TestHome {
    return new TestHome(folder);
  }

  /** With the test guest in its catalogue. */
  static async withGuest(): Promise<TestHome> {
    const home = await TestHome.create();
    await home.addGuest();
    return home;
  }

  /** Puts the test guest into its catalogue. */
  async addGuest(): Promise<void> {
    await cp(path.join(guestFolder, guestImageName), path.join(this.folder, 'images', guestImageName), {
      recursive: true,
    });
  }

  machineFolder(machine: string): string {
    return path.join(this.folder, 'machines', machine);
  }

  async remove(): Promise<void> {
    for (const pid of await this.processes()) {
      process.kill(pid, 'SIGKILL');
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Hypervisors that run in this home. */
  async processes(): Promise<number[]> {
    const machines = await readdir(path.join(this.folder, 'machines')).catch(() => []);
    const records = machines.flatMap((machine) =>
      ['current', 'successor'].map((role) => path.join(this.machineFolder(machine), 'run', `${role}-process.json`)),
    );
    const living = await Promise.all(
      records.map(async (file) => {
        const record = await readFile(file, 'utf8').then(
          (text) => processRecord.parse(JSON.parse(text)),
          () => undefined,
        );
        return record?.pid !== undefined && (await isProcessAlive(record.pid, record.identity)) ? [record.pid] : [];
      }),
    );
    return living.flat();
  }
}
