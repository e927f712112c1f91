import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import { toWireError } from '../model/checkpoint-error.ts';
import { byCreation } from '../model/tree.ts';
import type { CheckpointInfo, MachineInfo } from '../protocol/machines.ts';
import { lockHolder } from '../store/file-lock.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';
import { readMachine } from './open-machine.ts';

/** A machine as clients see it. One that cannot be believed is shown as damaged, with the reason, never left out. */
export async function viewMachine({ host, log }: EngineContext, folder: MachineFolder): Promise<MachineInfo> {
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
      now: {
        ...(now.parent === undefined ? {} : { parent: now.parent }),
        ...(checkpoints.some((checkpoint) => checkpoint.id === now.undo) && now.undo !== undefined
          ? { undo: now.undo }
          : {}),
      },
    };
  } catch (error) {
    const { code, message } = toWireError(error);
    if (code === 'Internal') {
      log.error(`Machine ${folder.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    return damaged(folder, message);
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
