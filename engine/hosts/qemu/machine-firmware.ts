import { stat } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { RunnableMachine } from '../host.ts';
import type { QemuInstallation } from './installation.ts';
import { findUefi, type UefiFirmware } from './uefi.ts';

/** Absolute path of the machine's UEFI variables and TPM state, or of one file of them. @throws MachineDamaged */
export function firmwareFile({ folder, definition, firmware }: RunnableMachine, name?: string): string {
  if (firmware === undefined && (definition.firmware === 'uefi' || definition.tpm === true)) {
    throw new CheckpointError(
      'MachineDamaged',
      `The file ${folder.inner('now.json')} does not say where the UEFI variables and the TPM state of “${definition.name}” are. Restore it from a backup.`,
      { path: folder.inner('now.json') },
    );
  }
  return path.join(folder.path, firmware ?? '', name ?? '');
}

/** The firmware that takes a machine's variables. @throws MachineDamaged, FirmwareNotFound */
export async function uefiFor(qemu: QemuInstallation, variables: string): Promise<UefiFirmware> {
  const found = await stat(variables).catch(() => undefined);
  if (found === undefined) {
    throw new CheckpointError('MachineDamaged', `The file ${variables} is missing. Restore it from a backup.`, {
      path: variables,
    });
  }
  return findUefi(qemu, found.size);
}
