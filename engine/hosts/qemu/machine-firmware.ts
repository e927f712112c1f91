import { stat } from 'node:fs/promises';
import path from 'node:path';
import { errorSaying, say } from '../../model/sayings.ts';
import type { RunnableMachine } from '../host.ts';
import type { QemuInstallation } from './installation.ts';
import { findUefi, type UefiFirmware } from './uefi.ts';

/** Absolute path of the machine's UEFI variables and TPM state, or of one file of them. @throws MachineDamaged */
export function firmwareFile({ folder, definition, firmware }: RunnableMachine, name?: string): string {
  if (firmware === undefined && (definition.firmware === 'uefi' || definition.tpm === true)) {
    const path = folder.inner('now.json');
    throw errorSaying(
      'MachineDamaged',
      { path },
      say('firmwareUnknown', { path, machine: definition.name }),
      say('restoreIt'),
    );
  }
  return path.join(folder.path, firmware ?? '', name ?? '');
}

/** The firmware that takes a machine's variables. @throws MachineDamaged, FirmwareNotFound */
export async function uefiFor(qemu: QemuInstallation, variables: string): Promise<UefiFirmware> {
  const found = await stat(variables).catch(() => undefined);
  if (found === undefined) {
    throw errorSaying('MachineDamaged', { path: variables }, say('fileMissing', { path: variables }), say('restoreIt'));
  }
  return findUefi(qemu, found.size);
}
