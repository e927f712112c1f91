import { randomUUID } from 'node:crypto';
import type { Captured, RunnableMachine } from '../hosts/host.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { checkpointName, defaultCheckpointName } from '../model/names.ts';
import { byCreation } from '../model/tree.ts';
import type { Params } from '../protocol/operations.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { signalOf } from './engine-context.ts';
import { createLayers, freeze, newLayerNames } from './layers.ts';
import type { OpenMachine } from './open-machine.ts';
import { undoFailed } from './recover.ts';

/** Makes a checkpoint of Now. No data is copied: the active layers are frozen and empty ones go on top. */
export async function take(
  context: EngineContext,
  machine: OpenMachine,
  options: Omit<Params<'take'>, 'machine'>,
  call: Call,
): Promise<Checkpoint> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const name = options.name === undefined ? defaultCheckpointName(new Date()) : checkpointName(options.name);
  const isUp = presence.state !== 'stopped';
  if (options.memory === true && !isUp) {
    throw new CheckpointError(
      'MachineNotRunning',
      `Machine “${definition.name}” is stopped, so it has no memory to save. Start it first, or take the checkpoint without memory.`,
      { machine: definition.name },
    );
  }
  const id = randomUUID();
  const newLayers = newLayerNames(definition);
  const memoryFile = isUp && options.memory !== false ? `memory/${id}.state` : undefined;
  const wasRunning = presence.state === 'running';
  call.signal?.throwIfAborted();
  await folder.writeJournal({
    operation: 'take',
    started: new Date().toISOString(),
    checkpoint: id,
    newLayers,
    reusesLayers: false,
    wasRunning,
    runsAfterwards: wasRunning,
    ...(memoryFile === undefined ? {} : { memoryFile }),
    releasedLayers: [],
  });
  let checkpoint: Checkpoint;
  try {
    await createLayers(context, folder, definition, newLayers, now.activeLayers, call.signal);
    const captured = isUp
      ? await capture(context, { folder, definition, layers: now.activeLayers }, newLayers, memoryFile, call)
      : undefined;
    checkpoint = {
      id,
      ...(now.parent === undefined ? {} : { parent: now.parent }),
      name,
      ...(options.notes === undefined ? {} : { notes: options.notes }),
      created: creationTime(records.checkpoints),
      createdBy: options.createdBy ?? 'person',
      consistency: isUp ? 'crash' : 'offline',
      layers: now.activeLayers,
      definition,
      ...(captured?.memory === undefined ? {} : { memory: captured.memory }),
      ...(captured === undefined ? {} : { pauseMs: captured.pauseMs }),
      ...(options.git === undefined ? {} : { git: options.git }),
    };
    await folder.writeCheckpoint(checkpoint);
    await folder.writeNow({ ...now, parent: id, activeLayers: newLayers });
  } catch (error) {
    await undoFailed(context, folder);
    throw error;
  }
  await freeze(folder, now.activeLayers);
  await folder.clearJournal();
  return checkpoint;
}

async function capture(
  context: EngineContext,
  machine: RunnableMachine,
  newLayers: Checkpoint['layers'],
  memoryFile: string | undefined,
  call: Call,
): Promise<Captured> {
  call.report?.(memoryFile === undefined ? 'Freezing disks' : 'Freezing disks and saving memory');
  return context.host.capture(machine, {
    newLayers,
    ...(memoryFile === undefined ? {} : { memoryFile }),
    ...signalOf(call),
  });
}

/** Later than every checkpoint there is, even when the clock was set back, so that the order of creation holds. */
export function creationTime(checkpoints: readonly Checkpoint[]): string {
  const newest = byCreation(checkpoints).at(-1);
  const after = newest === undefined ? 0 : Date.parse(newest.created) + 1;
  return new Date(Math.max(Date.now(), after)).toISOString();
}
