import type { RunnableMachine } from '../hosts/host.ts';
import type { FirmwareState } from '../model/checkpoint.ts';
import { errorSaying, say } from '../model/sayings.ts';
import type { MachineDefinition, Now } from '../model/machine.ts';
import { readFirmware, variablesFile, writeFirmware, type FirmwareContent } from '../store/firmware-folder.ts';
import type { MachineFolder } from '../store/machine-folder.ts';

/** True when a machine has UEFI variables or the state of a TPM. */
export function hasFirmwareState({ firmware, tpm }: MachineDefinition): boolean {
  return firmware === 'uefi' || tpm === true;
}

/** A machine as it is at Now. */
export function presentMachine(folder: MachineFolder, definition: MachineDefinition, now: Now): RunnableMachine {
  return {
    folder,
    definition,
    layers: now.activeLayers,
    ...(now.firmware === undefined ? {} : { firmware: now.firmware }),
    ...(now.generation === undefined ? {} : { generation: now.generation }),
  };
}

/**
 * The UEFI variables and the TPM state of Now; nothing for a machine with neither.
 * @throws MachineDamaged when a machine with UEFI has lost its variables
 */
export async function readPresentFirmware(machine: RunnableMachine): Promise<FirmwareContent> {
  const { folder, definition, firmware } = machine;
  const content = firmware === undefined ? [] : await readFirmware(folder, firmware);
  if (definition.firmware === 'uefi' && !content.some(({ name }) => name === variablesFile)) {
    const file = folder.inner(`${firmware ?? 'firmware'}/${variablesFile}`);
    throw errorSaying('MachineDamaged', { path: file }, say('fileMissing', { path: file }), say('restoreIt'));
  }
  return content;
}

/**
 * A checkpoint's copy of Now's UEFI variables and TPM state. Reading is quick enough for while the guest stands still; writing
 * waits for the disk, and so comes after.
 */
export class FirmwareCopy {
  readonly #present: RunnableMachine;
  readonly #to: string | undefined;
  #content: FirmwareContent | undefined;

  /** @param to the folder that is to be made; absent for a machine that has neither */
  constructor(present: RunnableMachine, to: string | undefined) {
    this.#present = present;
    this.#to = to;
  }

  async read(): Promise<void> {
    this.#content = await readPresentFirmware(this.#present);
  }

  /** Reads first, unless that was done. */
  async write(): Promise<FirmwareState | undefined> {
    if (this.#to === undefined) {
      return undefined;
    }
    if (this.#content === undefined) {
      await this.read();
    }
    return writeFirmware(this.#present.folder, this.#to, this.#content ?? []);
  }
}
