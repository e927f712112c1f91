import { open } from 'node:fs/promises';
import { CheckpointError, systemCode } from '../../model/checkpoint-error.ts';
import { LayerFiles } from '../../store/layer-files.ts';
import type { Host, HostStatus, Presence, RunnableMachine } from '../host.ts';
import { userOf } from './open-files.ts';

/** Plain disk images: some other program runs machines on them, and we act while none does. */
export class DisksHost implements Host {
  readonly id = 'disks';
  readonly label = 'Disks only';

  status(): Promise<HostStatus> {
    return Promise.resolve({ available: true });
  }

  newFirmware(): Promise<never> {
    return refuse();
  }

  look(): Promise<Presence> {
    return Promise.resolve({ state: 'stopped' });
  }

  async requireUnused({ folder, definition, layers }: RunnableMachine): Promise<void> {
    const files = new LayerFiles(folder, definition, layers);
    const active = files.disks.map((disk) => files.fileOf(disk, files.layerOf(layers, disk)));
    const user = await userOf(active);
    if (user !== undefined) {
      throw inUse(definition.name, `${user.name} (process ${user.pid})`);
    }
    if (process.platform === 'win32') {
      await Promise.all(active.map((file) => requireUnshared(definition.name, file)));
    }
  }

  start(): Promise<never> {
    return refuse();
  }
  shutDown(): Promise<never> {
    return refuse();
  }
  powerOff(): Promise<never> {
    return refuse();
  }
  pause(): Promise<never> {
    return refuse();
  }
  resume(): Promise<never> {
    return refuse();
  }
  serialPort(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  hasConsole(): Promise<boolean> {
    return Promise.resolve(false);
  }
  welcomeBack(): Promise<[]> {
    return Promise.resolve([]);
  }
  execInGuest(): Promise<never> {
    return refuse();
  }
  capture(): Promise<never> {
    return refuse();
  }
  hold(): Promise<never> {
    return refuse();
  }
  reset(): Promise<never> {
    return refuse();
  }
  checkMemory(): Promise<never> {
    return refuse();
  }
  prepareSuccessor(): Promise<never> {
    return refuse();
  }
  settle(): Promise<void> {
    return Promise.resolve();
  }
  thaw(): Promise<void> {
    return Promise.resolve();
  }
  mergeLive(): Promise<never> {
    return refuse();
  }
  endMerge(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  runsOn(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

/** Windows refuses to open for writing what another program has open without sharing that. */
async function requireUnshared(machine: string, file: string): Promise<void> {
  try {
    await (await open(file, 'r+')).close();
  } catch (error) {
    if (['EBUSY', 'EPERM', 'EACCES'].includes(systemCode(error) ?? '')) {
      throw inUse(machine, 'another program');
    }
    throw error;
  }
}

function inUse(machine: string, user: string): CheckpointError {
  return new CheckpointError(
    'DiskInUse',
    `A disk of “${machine}” is in use by ${user}. Shut the machine down there first. Nothing was changed.`,
    { machine, user },
  );
}

function refuse(): Promise<never> {
  return Promise.reject(
    new CheckpointError(
      'NotSupported',
      'This machine is plain disk images: it is started, stopped and used in the program that they belong to.',
    ),
  );
}
