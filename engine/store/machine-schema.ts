import { z } from 'zod';
import { machineRecord } from './records.ts';

/** What a person may want to know who looks into a definition file, or changes one while its machine is stopped. */
const descriptions: Readonly<Record<string, string>> = {
  version: 'Of this file’s form.',
  id: 'Names the machine in journals, jobs and clones. Two machines must not have the same.',
  name: 'What the machine was called when this was written; its folder’s name is what counts.',
  host: 'Who runs it: QEMU on this computer, or another program (disks).',
  created: 'When it was made, UTC.',
  group: 'The group that it is shown in.',
  memoryMiB: 'Memory in MiB. From the next start on; saved memory of another size cannot be resumed.',
  cpus: 'Processors. From the next start on; memory saved with another number cannot be resumed.',
  macAddress: 'Address of its network card.',
  firmware: 'How it boots: by BIOS, or by UEFI, whose variables are in every checkpoint.',
  tpm: 'Has a TPM 2.0, whose state is in every checkpoint.',
  hasGeneration: 'Shows its guest a generation id, a new one after each apply.',
  hasPanicDevice:
    'Its guest can report that its kernel has panicked. From the next start on; saved memory cannot be resumed with another answer.',
  disks: 'Its disks, in the order in which it has them.',
  directBoot: 'Boots this kernel instead of what is on its disks.',
};

/** JSON schema of a machine's `machine.json`, by which VS Code completes, explains and checks one. */
export function machineSchema(): string {
  const schema = z.toJSONSchema(machineRecord, { io: 'input', target: 'draft-7' });
  const properties: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    properties[name] = typeof property === 'object' ? { description: descriptions[name], ...property } : property;
  }
  return `${JSON.stringify({ ...schema, title: 'A machine of VM Checkpoints', properties }, null, 2)}\n`;
}
