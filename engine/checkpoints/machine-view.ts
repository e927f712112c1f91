import path from 'node:path';
import { toWireError } from '../model/checkpoint-error.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import { lockHolder } from '../store/file-lock.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { hostOf, type EngineContext } from './engine-context.ts';
import type { InterruptedJobs } from './interrupted-jobs.ts';
import { summarise, type MachineSummary } from './machine-summary.ts';
import { sameIdProblem } from './open-machine.ts';

/**
 * A machine as clients see it. One that cannot be believed is shown as damaged, with the reason, never left out.
 * @param read its records, in one way or another
 */
export async function viewMachine(
  context: EngineContext,
  folder: MachineFolder,
  interruptedJobs: InterruptedJobs,
  read: (folder: MachineFolder) => Promise<MachineSummary> = summarise,
): Promise<MachineInfo> {
  try {
    const [summary, holder] = await Promise.all([read(folder), lockHolder(folder.lock)]);
    const { definition, now, checkpoints, trash } = summary;
    const presence = await hostOf(context, definition).look(folder);
    const files = new LayerFiles(folder, definition, now.activeLayers);
    const known = new Set(checkpoints.map(({ id }) => id));
    const interrupted = interruptedJobs.get(definition.id);
    return {
      id: definition.id,
      // A folder that was copied or renamed by hand goes by its own name, as in every reference.
      name: nameOf(folder),
      host: definition.host,
      state: presence.state,
      ...(presence.problem === undefined ? {} : { problem: presence.problem }),
      ...(holder === undefined
        ? {}
        : { busy: { operation: holder.operation, holder: `${holder.face} (process ${holder.pid})` } }),
      ...(interrupted === undefined ? {} : { interrupted }),
      folder: folder.path,
      ...(definition.memoryMiB === undefined ? {} : { memoryBytes: definition.memoryMiB * 1024 * 1024 }),
      ...(definition.cpus === undefined ? {} : { cpus: definition.cpus }),
      ...(definition.firmware === undefined ? {} : { firmware: definition.firmware }),
      ...(definition.tpm === undefined ? {} : { tpm: definition.tpm }),
      ...(presence.pid === undefined ? {} : { pid: presence.pid }),
      disks: definition.disks.map((disk) => ({
        id: disk.id,
        activeLayer: files.fileOf(disk, files.layerOf(now.activeLayers, disk)),
        virtualSizeBytes: disk.virtualSizeBytes,
      })),
      checkpoints,
      now: {
        ...(now.parent === undefined ? {} : { parent: now.parent }),
        ...(now.undo !== undefined && known.has(now.undo) ? { undo: now.undo } : {}),
        ...(now.redo !== undefined && known.has(now.redo) ? { redo: now.redo } : {}),
      },
      trash,
    };
  } catch (error) {
    const { code, message } = toWireError(error);
    if (code === 'Internal') {
      context.log.error(
        `Machine ${folder.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    return damaged(folder, message);
  }
}

function nameOf(folder: MachineFolder): string {
  return path.basename(folder.path).normalize('NFC');
}

/** Those of several machines that have one id say so: jobs and clones cannot tell them apart. */
export function withSameIdProblems(machines: readonly MachineInfo[]): MachineInfo[] {
  const names = new Map<string, string[]>();
  for (const { id, name } of machines) {
    names.set(id, [...(names.get(id) ?? []), name]);
  }
  return machines.map((machine) => {
    const same = names.get(machine.id) ?? [];
    return same.length < 2 ? machine : { ...machine, problem: sameIdProblem(machine.id, same) };
  });
}

function damaged(folder: MachineFolder, problem: string): MachineInfo {
  const name = nameOf(folder);
  return {
    id: `damaged:${name}`,
    name,
    host: 'qemu',
    state: 'damaged',
    problem,
    folder: folder.path,
    disks: [],
    checkpoints: [],
    trash: [],
    now: {},
  };
}
