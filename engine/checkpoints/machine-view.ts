import path from 'node:path';
import { toWireError } from '../model/checkpoint-error.ts';
import { sayError, shownProblem } from '../model/sayings.ts';
import { stateUnread } from '../model/unread-machine.ts';
import type { OpenGuardInfo } from '../protocol/guard-info.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import type { Sentence } from '../protocol/sentences.ts';
import { lockHolder } from '../store/file-lock.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { isProcessAlive } from '../store/process-identity.ts';
import { hostOf, type EngineContext } from './engine-context.ts';
import type { InterruptedJobs } from './interrupted-jobs.ts';
import type { MachineHistory, MachineSummary } from './machine-summary.ts';
import { saySameId } from './open-machine.ts';

/** A machine as clients see it, but for its history. */
export type MachinePresent = Omit<MachineInfo, keyof MachineHistory>;

export async function viewPresent(
  context: EngineContext,
  folder: MachineFolder,
  { definition, now, openGuards }: MachineSummary,
  interruptedJobs: InterruptedJobs,
): Promise<MachinePresent> {
  const [holder, presence] = await Promise.all([lockHolder(folder.lock), hostOf(context, definition).look(folder)]);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const guards = await Promise.all(openGuards.map(viewGuard));
  const interrupted = interruptedJobs.get(definition.id);
  const { activeLayers, ...tree } = now;
  return {
    id: definition.id,
    // A folder that was copied or renamed by hand goes by its own name, as in every reference.
    name: nameOf(folder),
    host: definition.host,
    ...(definition.group === undefined ? {} : { group: definition.group }),
    state: presence.state === 'stopped' && now.savedMemoryBytes !== undefined ? 'saved' : presence.state,
    ...shownProblem(presence.problem),
    ...(presence.hasPanicked === undefined ? {} : { hasPanicked: presence.hasPanicked }),
    ...(presence.log === undefined ? {} : { hypervisorLog: presence.log }),
    ...(holder === undefined
      ? {}
      : { busy: { operation: holder.operation, holder: `${holder.face} (process ${holder.pid})` } }),
    ...(interrupted === undefined ? {} : { interrupted }),
    ...(guards.length === 0 ? {} : { guards }),
    folder: folder.path,
    ...(path.dirname(folder.path) === context.home.machines ? {} : { isMoved: true as const }),
    ...(definition.memoryMiB === undefined ? {} : { memoryBytes: definition.memoryMiB * 1024 * 1024 }),
    ...(definition.cpus === undefined ? {} : { cpus: definition.cpus }),
    ...(definition.firmware === undefined ? {} : { firmware: definition.firmware }),
    ...(definition.tpm === undefined ? {} : { tpm: definition.tpm }),
    ...(presence.pid === undefined ? {} : { pid: presence.pid }),
    disks: definition.disks.map((disk) => ({
      id: disk.id,
      activeLayer: files.fileOf(disk, files.layerOf(activeLayers, disk)),
      virtualSizeBytes: disk.virtualSizeBytes,
    })),
    now: tree,
  };
}

async function viewGuard({ id, name, guard }: MachineSummary['openGuards'][number]): Promise<OpenGuardInfo> {
  const { pid, identity } = guard.process;
  const state = (await isProcessAlive(pid, identity)) ? 'running' : 'interrupted';
  return { checkpoint: id, name, command: guard.command, state };
}

function nameOf(folder: MachineFolder): string {
  return path.basename(folder.path).normalize('NFC');
}

/** What is wrong with several machines together, by id: jobs and clones cannot tell those apart that have the same. */
export function sameIdProblems(machines: readonly MachinePresent[]): Map<string, Sentence[]> {
  const names = new Map<string, string[]>();
  for (const { id, name } of machines) {
    names.set(id, [...(names.get(id) ?? []), name]);
  }
  return new Map([...names].flatMap(([id, same]) => (same.length < 2 ? [] : [[id, saySameId(id, same)]])));
}

/** A machine that cannot be read or believed is shown with the reason, never left out. */
export function viewUnread(context: EngineContext, folder: MachineFolder, error: unknown): MachinePresent {
  const { code } = toWireError(error);
  if (code === 'Internal') {
    context.log.error(
      `Machine ${folder.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
  const name = nameOf(folder);
  const state = stateUnread(error);
  return {
    id: `${state}:${name}`,
    name,
    host: 'qemu',
    state,
    ...shownProblem([sayError(error)]),
    folder: folder.path,
    ...(folder.place.isElsewhere ? { isMoved: true as const } : {}),
    disks: [],
    now: {},
  };
}
