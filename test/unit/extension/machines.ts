/** Builds what the engine tells about machines, with what a test does not care about filled in. */
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';

export function checkpoint(id: string, facts: Partial<CheckpointInfo> = {}): CheckpointInfo {
  return {
    id,
    name: `checkpoint ${id}`,
    created: '2026-11-21T09:15:03.000Z',
    createdBy: 'person',
    hasMemory: false,
    consistency: 'offline',
    ...facts,
  };
}

export function machine(facts: Partial<MachineInfo> = {}): MachineInfo {
  return {
    id: 'machine-1',
    name: 'playground',
    host: 'qemu',
    state: 'stopped',
    folder: '/machines/playground',
    memoryBytes: 268_435_456,
    cpus: 1,
    disks: [],
    checkpoints: [],
    trash: [],
    now: {},
    ...facts,
  };
}
