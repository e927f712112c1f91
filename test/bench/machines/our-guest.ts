import { cp, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { eventsLog } from '../../../engine/hosts/qemu/ending.ts';
import { socketsIn, type Sockets } from '../../../engine/hosts/qemu/sockets-folder.ts';
import { MachineFolder } from '../../../engine/store/machine-folder.ts';
import { isProcessAlive } from '../../../engine/store/process-identity.ts';
import type { ProcessRecord } from '../../../engine/store/records.ts';
import { engineFile, guestFolder, runProgram } from '../../support/project.ts';
import { guestImageName } from '../../support/set-up.ts';
import { startEngine, type EngineClient } from '../checkpoints/engine-client.ts';
import { eventsIn, type RunEvent } from './run-events.ts';

/** Its name. */
export const machine = 'lab';

export interface GuestOptions {
  memoryMiB: number;
  /** Number of the user whose engine and QEMU they are; default: who runs the bench. */
  user?: number;
  /** Does something to the copy of the guest's image in the catalogue, before the machine is made of it. */
  prepareImage?: (folder: string) => Promise<void>;
}

/** The demo guest as a machine of ours. */
export class OurGuest {
  readonly engine: EngineClient;
  /** Of the machine. */
  readonly folder: string;

  private constructor(engine: EngineClient, home: string) {
    this.engine = engine;
    this.folder = path.join(home, 'machines', machine);
  }

  /** Made, and not started. */
  static async create(parent: string, options: GuestOptions): Promise<OurGuest> {
    const home = path.join(parent, 'home');
    const image = path.join(home, 'images', guestImageName);
    await cp(path.join(guestFolder, guestImageName), image, { recursive: true });
    await options.prepareImage?.(image);
    const guest = new OurGuest(await startEngine(home, await userOf(parent, options.user)), home);
    const { memoryMiB } = options;
    await guest.engine.request('createMachine', { name: machine, image: guestImageName, memoryMiB });
    return guest;
  }

  async sockets(): Promise<Sockets> {
    return socketsIn((await this.#process()).socketsFolder);
  }

  /** Of the QEMU that it has now. */
  async events(): Promise<RunEvent[]> {
    return eventsIn(eventsLog((await this.#process()).socketsFolder));
  }

  /** Program and arguments of its QEMU (proc(5), `cmdline`). */
  async commandLine(): Promise<string[]> {
    const { pid } = await this.#process();
    return (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).split('\0').slice(0, -1);
  }

  /** Whatever failed before, and be it the engine: no QEMU is left. */
  async remove(): Promise<void> {
    const left = await this.#process().catch(() => undefined);
    await this.engine.request('stop', { machine, force: true }).catch(() => undefined);
    await this.engine.stop();
    if (left?.pid !== undefined && (await isProcessAlive(left.pid, left.identity))) {
      process.kill(left.pid, 'SIGKILL');
    }
  }

  async #process(): Promise<ProcessRecord> {
    const found = await new MachineFolder(this.folder).processes.read('current');
    if (found === undefined) {
      throw new Error('The machine has no QEMU.');
    }
    return found;
  }
}

/** The user has the folder, and a copy of the program in it. */
async function userOf(folder: string, id: number | undefined): Promise<{ id: number; program: string } | undefined> {
  if (id === undefined) {
    return undefined;
  }
  const programs = path.join(folder, 'engine');
  await mkdir(programs);
  await cp(path.dirname(engineFile), programs, { recursive: true });
  await runProgram('chown', ['-R', `${id}:${id}`, folder]);
  return { id, program: path.join(programs, path.basename(engineFile)) };
}
