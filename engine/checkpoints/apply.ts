import { randomUUID } from 'node:crypto';
import type { RunnableMachine } from '../hosts/host.ts';
import type { Checkpoint, SavedMemory } from '../model/checkpoint.ts';
import { isLeaf } from '../model/tree.ts';
import type { ApplyOptions } from '../protocol/operations.ts';
import type { JournalRecord } from '../store/records.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { createLayers, freeze, newLayerNames, thaw } from './layers.ts';
import type { OpenMachine } from './open-machine.ts';
import { finish, undoFailed } from './recover.ts';
import { creationTime } from './take.ts';

/** How long a state is kept that apply or undo left. */
const keptForMs = 24 * 60 * 60 * 1000;

export interface Applied {
  kept?: Checkpoint;
}

/**
 * Makes Now equal to a checkpoint. What Now was is kept as a checkpoint that expires, unless it is to be discarded.
 * The running machine stands still but lives until its successor has been loaded, so that a failure costs nothing.
 *
 * Undo applies what an apply kept; when nothing hangs from that, it stops being a checkpoint and is Now again,
 * so that the tree is as it was.
 */
export async function apply(
  context: EngineContext,
  machine: OpenMachine,
  target: Checkpoint,
  operation: 'apply' | 'undo',
  options: ApplyOptions,
  call: Call,
): Promise<Applied> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const { host } = context;
  const tree = { machine: definition.name, ...records };
  // One that was given a name is wanted as a checkpoint, and stays one.
  const reusesLayers = operation === 'undo' && target.expires !== undefined && isLeaf(tree, target.id);
  const memory = options.disksOnly === true ? undefined : target.memory;
  if (memory !== undefined) {
    await host.checkMemory(target.definition, memory);
  }
  const isUp = presence.state !== 'stopped';
  const keptId = options.discardNow === true ? undefined : randomUUID();
  const keptMemoryFile = keptId !== undefined && isUp ? `memory/${keptId}.state` : undefined;
  const journal: Omit<JournalRecord, 'version'> = {
    operation,
    started: new Date().toISOString(),
    ...(keptId === undefined ? {} : { checkpoint: keptId }),
    newLayers: reusesLayers ? target.layers : newLayerNames(target.definition),
    reusesLayers,
    wasRunning: presence.state === 'running',
    runsAfterwards: memory !== undefined && !memory.wasPaused,
    definition: { ...target.definition, id: definition.id, name: definition.name },
    ...(keptMemoryFile === undefined ? {} : { memoryFile: keptMemoryFile }),
    releasedLayers: keptId === undefined ? Object.values(now.activeLayers) : [],
    ...(reusesLayers ? { releasedCheckpoint: target.id } : {}),
    ...(reusesLayers && target.memory !== undefined ? { releasedMemoryFile: target.memory.file } : {}),
  };
  const { newLayers } = journal;
  call.signal?.throwIfAborted();
  await folder.writeJournal(journal);
  let kept: Checkpoint | undefined;
  try {
    if (reusesLayers) {
      await thaw(folder, newLayers);
    } else {
      await createLayers(context, folder, target.definition, newLayers, target.layers, call.signal);
    }
    const present: RunnableMachine = { folder, definition, layers: now.activeLayers };
    if (keptMemoryFile !== undefined) {
      call.report?.('Keeping the present state');
    }
    const keptMemory = isUp ? await host.hold(present, keptMemoryFile, call.signal) : undefined;
    if (memory !== undefined) {
      call.report?.(`Loading “${target.name}”`);
      await host.prepareSuccessor({ folder, definition: target.definition, layers: newLayers }, memory, call.signal);
    }
    if (keptId !== undefined) {
      kept = keptState(keptId, machine, target, operation, keptMemory);
      await folder.writeCheckpoint(kept);
    }
    const parent = reusesLayers ? target.parent : target.id;
    await folder.writeNow({
      ...(parent === undefined ? {} : { parent }),
      activeLayers: newLayers,
      ...(keptId === undefined ? {} : { undo: keptId }),
    });
    await freeze(folder, now.activeLayers);
  } catch (error) {
    await undoFailed(context, folder);
    throw error;
  }
  await finish(host, folder, await folder.read(), { version: 1, ...journal });
  await folder.clearJournal();
  return kept === undefined ? {} : { kept };
}

function keptState(
  id: string,
  machine: OpenMachine,
  target: Checkpoint,
  operation: 'apply' | 'undo',
  memory: SavedMemory | undefined,
): Checkpoint {
  const { records, presence } = machine;
  const created = creationTime(records.checkpoints);
  return {
    id,
    ...(records.now.parent === undefined ? {} : { parent: records.now.parent }),
    name: operation === 'undo' ? 'Before undo' : [...`Before applying “${target.name}”`].slice(0, 100).join(''),
    created,
    createdBy: operation,
    consistency: presence.state === 'stopped' ? 'offline' : 'crash',
    layers: records.now.activeLayers,
    definition: records.definition,
    ...(memory === undefined ? {} : { memory }),
    expires: new Date(Date.parse(created) + keptForMs).toISOString(),
  };
}
