import path from 'node:path';
import type { Host } from '../hosts/host.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError, toWireError } from '../model/checkpoint-error.ts';
import { byCreation } from '../model/tree.ts';
import type { CheckpointInfo, MachineInfo } from '../protocol/machines.ts';
import { lockHolder } from '../store/file-lock.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { readMachine } from './open-machine.ts';

/** A machine as clients see it. One that cannot be believed is shown as damaged, with the reason, never left out. */
export async function viewMachine(folder: MachineFolder, host: Host): Promise<MachineInfo> {
  try {
    const [records, presence, holder] = await Promise.all([
      readMachine(folder),
      host.look(folder),
      lockHolder(folder.lock),
    ]);
    const { definition, now, checkpoints } = records;
    return {
      id: definition.id,
      name: definition.name,
      host: definition.host,
      state: presence.state,
      ...(presence.problem === undefined ? {} : { problem: presence.problem }),
      ...(holder === undefined
        ? {}
        : { busy: { operation: holder.operation, holder: `${holder.face} (process ${holder.pid})` } }),
      folder: folder.path,
      memoryBytes: definition.memoryMiB * 1024 * 1024,
      cpus: definition.cpus,
      ...(presence.pid === undefined ? {} : { pid: presence.pid }),
      disks: definition.disks.map((disk) => ({
        id: disk.id,
        activeLayer: folder.inner(now.activeLayers[disk.id] ?? ''),
        virtualSizeBytes: disk.virtualSizeBytes,
      })),
      checkpoints: byCreation(checkpoints).map(viewCheckpoint),
      now: now.parent === undefined ? {} : { parent: now.parent },
    };
  } catch (error) {
    if (!(error instanceof CheckpointError) && toWireError(error).code === 'Internal') {
      throw error;
    }
    return damaged(folder, toWireError(error).message);
  }
}

function damaged(folder: MachineFolder, problem: string): MachineInfo {
  const name = path.basename(folder.path);
  return {
    id: `damaged:${name}`,
    name,
    host: 'qemu',
    state: 'damaged',
    problem,
    folder: folder.path,
    memoryBytes: 0,
    cpus: 0,
    disks: [],
    checkpoints: [],
    now: {},
  };
}

/** A checkpoint as clients see it. */
export function viewCheckpoint(checkpoint: Checkpoint): CheckpointInfo {
  const { layers: _layers, definition: _definition, memory, ...facts } = checkpoint;
  return {
    ...facts,
    hasMemory: memory !== undefined,
    ...(memory === undefined ? {} : { memoryFileBytes: memory.sizeBytes }),
  };
}
