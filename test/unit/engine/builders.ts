import type { Checkpoint } from '../../../engine/model/checkpoint.ts';
import type { MachineDefinition } from '../../../engine/model/machine.ts';

/** A machine with one disk, the same each time. */
export function definition(changes: Partial<MachineDefinition> = {}): MachineDefinition {
  return {
    id: '11111111-2222-4333-8444-555555555555',
    name: 'lab',
    host: 'qemu',
    created: '2026-11-21T08:00:00.000Z',
    memoryMiB: 256,
    cpus: 1,
    macAddress: '52:54:00:12:34:56',
    disks: [{ id: 'disk0', virtualSizeBytes: 1024 * 1024 }],
    ...changes,
  };
}

/** A checkpoint whose layer is named after it. */
export function checkpoint(id: string, changes: Partial<Checkpoint> = {}): Checkpoint {
  return {
    id,
    name: `checkpoint ${id}`,
    created: '2026-11-21T09:00:00.000Z',
    createdBy: 'person',
    consistency: 'offline',
    layers: { disk0: `layers/disk0-${id}.qcow2` },
    definition: definition(),
    ...changes,
  };
}
