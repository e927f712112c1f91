import { randomUUID } from 'node:crypto';
import type { Captured, RunnableMachine } from '../hosts/host.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { Now } from '../model/machine.ts';
import { newFirmwareFolder } from '../store/firmware-folder.ts';
import { checkpointName, defaultCheckpointName } from '../model/names.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import { errorSaying, say, sayError, shownProblem } from '../model/sayings.ts';
import { byCreation, sameLayers } from '../model/tree.ts';
import type { CheckpointKind } from '../protocol/machines.ts';
import type { Params } from '../protocol/operations.ts';
import type { Saying } from '../protocol/sentences.ts';
import type { Draft } from '../store/atomic-file.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { activate, hasPlaces, prepareActivation } from './activation.ts';
import { FirmwareCopy, presentMachine } from './firmware-copy.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { hostOf, signalOf } from './engine-context.ts';
import { together } from './together.ts';
import { createLayers, freeze, lookAhead, newLayerNames, verifyAhead } from './layers.ts';
import type { OpenMachine } from './locked-machine.ts';
import { finishOrLeave, undoFailed } from './recover.ts';
import { memoryFileOf, shareMemory } from './share-memory.ts';
import { needsOfMemory, needsOfNewLayers, requireSpaceFor, type SpaceNeed } from './space-check.ts';

export type TakeOptions = Omit<Params<'take'>, 'machine'> &
  Pick<Checkpoint, 'guard' | 'guardOf'> & { group?: string; id?: string };

/** What a take will do, once it is known that it can be done. */
export interface TakeDecision {
  /** Without what only the capture tells. */
  checkpoint: Omit<Checkpoint, 'created' | 'memory' | 'console' | 'firmware' | 'pauseMs' | 'totalMs'>;
  after: Now;
  memoryFile?: string;
  /** Of a machine that is saved: its memory, as the checkpoint's own. */
  savedMemory?: SavedMemory;
  /** Why it is not of the kind that was asked for. */
  problem?: Saying[];
  /** The guest's file systems are to be frozen; memory is saved only where that is not possible. */
  quiesces: boolean;
  needs: SpaceNeed[];
}

export interface Taken {
  checkpoint: Checkpoint;
  /** Why it is not of the kind that was asked for, or what is to be seen to in the guest. */
  problem?: string;
  /** The same, for front ends in other languages. */
  problemSentences?: Saying[];
}

/** Decides what a take does; changes nothing. @throws MachineNotRunning, InvalidName, DiskInUse, NotEnoughSpace */
export async function decideTake(
  context: EngineContext,
  machine: OpenMachine,
  options: TakeOptions,
): Promise<TakeDecision> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const name = options.name === undefined ? defaultCheckpointName(new Date()) : checkpointName(options.name);
  const isUp = presence.state !== 'stopped';
  const quiesces = isUp && options.kind !== undefined && options.kind !== 'standard';
  requireOneKind(options);
  const saved = isUp ? undefined : now.memory;
  if (saved !== undefined && options.kind === 'production-only') {
    const { name: of } = definition;
    throw errorSaying('GuestNotResponding', { machine: of }, say('noGuest', { machine: of }), say('startItFirst'));
  }
  if (options.memory === true && !isUp && saved === undefined) {
    throw new CheckpointError(
      'MachineNotRunning',
      `Machine “${definition.name}” is stopped, so it has no memory to save. Start it first, or take the checkpoint without memory.`,
      { machine: definition.name },
    );
  }
  await hostOf(context, definition).requireUnused(presentMachine(folder, definition, now));
  const id = options.id ?? randomUUID();
  const savesMemory = isUp && options.memory !== false && options.kind !== 'production-only';
  const sharesMemory = saved !== undefined && options.memory !== false;
  const ownFile = memoryFileOf(id, sharesMemory ? saved : undefined);
  const memoryFile = savesMemory || sharesMemory ? ownFile : undefined;
  const needs = [...needsOfNewLayers(folder, definition), ...needsOfMemory(machine, savesMemory ? ownFile : undefined)];
  await requireSpaceFor(context, `Taking a checkpoint of “${definition.name}”`, needs, machine);
  return {
    checkpoint: {
      id,
      ...(now.parent === undefined ? {} : { parent: now.parent }),
      name,
      ...(options.notes === undefined ? {} : { notes: options.notes }),
      createdBy: options.createdBy ?? 'person',
      consistency: isUp || saved !== undefined ? 'crash' : 'offline',
      layers: now.activeLayers,
      definition,
      ...(options.group === undefined ? {} : { group: options.group }),
      ...(options.guard === undefined ? {} : { guard: options.guard }),
      ...(options.guardOf === undefined ? {} : { guardOf: options.guardOf }),
      ...(options.git === undefined ? {} : { git: options.git }),
    },
    after: nowOnTop(now, id, newLayerNames(definition)),
    ...(memoryFile === undefined ? {} : { memoryFile }),
    ...(sharesMemory ? { savedMemory: { ...saved, file: ownFile } } : {}),
    ...(saved !== undefined && options.kind === 'production'
      ? { problem: [say('noProduction', { reason: say('noGuest', { machine: definition.name }) })] }
      : {}),
    quiesces,
    needs,
  };
}

/** @throws InvalidArgument when memory is asked for, and a kind that has none */
export function requireOneKind({ memory, kind }: Pick<TakeOptions, 'memory' | 'kind'>): void {
  if (memory === true && kind !== undefined && kind !== 'standard') {
    throw new CheckpointError('InvalidArgument', 'A production checkpoint has no memory. Ask for one or the other.', {
      operation: 'take',
    });
  }
}

/** Makes a checkpoint of Now. No data is copied: the active layers are frozen and empty ones go on top. */
export async function take(
  context: EngineContext,
  machine: OpenMachine,
  options: TakeOptions,
  call: Call,
): Promise<Taken> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const decided = await decideTake(context, machine, options);
  machine.about.push(decided.checkpoint.name);
  const { after, memoryFile, savedMemory } = decided;
  const firmwareFolder = now.firmware === undefined ? undefined : newFirmwareFolder();
  const newLayers = after.activeLayers;
  const host = hostOf(context, definition);
  const present = presentMachine(folder, definition, now);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const isUp = presence.state !== 'stopped';
  const wasRunning = presence.state === 'running';
  call.signal?.throwIfAborted();
  const { placed, durable } = folder.placeJournal({
    operation: 'take',
    started: new Date().toISOString(),
    checkpoint: decided.checkpoint.id,
    after,
    reusesLayers: false,
    wasRunning,
    runsAfterwards: wasRunning,
    ...(memoryFile === undefined ? {} : { memoryFile }),
    ...(decided.quiesces ? { quiesces: true as const } : {}),
    ...(firmwareFolder === undefined ? {} : { madeFirmware: [firmwareFolder] }),
    releasedLayers: [],
  });
  // While that waits for the disk. A guest that runs still writes to them; what is used in its place moves first.
  const looking = isUp ? undefined : lookAhead(files, now.activeLayers);
  const verifying = isUp || hasPlaces(files) ? undefined : verifyAhead(files, now.activeLayers);
  let checkpoint: Checkpoint | undefined;
  let problem: Saying[] | undefined;
  let drafting: Promise<Draft> | undefined;
  try {
    // Until the journal is there, there are only drafts; until it is durable, only new files that nothing names.
    if (isUp || hasPlaces(files)) {
      await durable;
    } else if (firmwareFolder !== undefined || savedMemory !== undefined) {
      await placed;
    }
    const prepared = await prepareActivation(files, now.activeLayers, newLayers);
    const create = (): Promise<void> => createLayers(prepared, newLayers, now.activeLayers, call.signal, verifying);
    if (isUp) {
      await create();
    }
    const firmware = new FirmwareCopy(present, firmwareFolder);
    const captured = isUp
      ? await captureOfKind(context, { machine: present, newLayers, memoryFile, firmware }, options.kind, call)
      : undefined;
    problem = captured?.problem ?? decided.problem;
    const firmwareState = await firmware.write();
    checkpoint = {
      ...decided.checkpoint,
      created: creationTime(records.checkpoints),
      ...(savedMemory === undefined ? {} : { memory: savedMemory }),
      ...(captured?.memory === undefined ? {} : { memory: captured.memory }),
      ...(captured?.console === undefined ? {} : { console: captured.console }),
      ...(captured?.consistency === undefined ? {} : { consistency: captured.consistency }),
      ...(firmwareState === undefined ? {} : { firmware: firmwareState }),
      ...(machine.runningSeconds === undefined ? {} : { runningSeconds: machine.runningSeconds }),
      ...(captured === undefined ? {} : { pauseMs: captured.pauseMs, totalMs: captured.totalMs }),
    };
    // All are on the disk before Now changes; among them there is no order. A manifest that names Now's own layers is no
    // checkpoint, and layers and a draft that nothing names are taken away by the journal, which came first.
    drafting = folder.draftNow(after);
    const writing = [folder.writeCheckpoint(checkpoint, durable)];
    if (savedMemory !== undefined && now.memory !== undefined) {
      writing.push(shareMemory(folder, now.memory, savedMemory.file));
    }
    if (!isUp) {
      writing.push(placed.then(create));
    }
    await together(durable, drafting, ...writing);
    await host.requireUnused(present);
    await activate(files, now.activeLayers, newLayers);
    await (await drafting).place();
  } catch (error) {
    await drafting?.then((draft) => draft.drop()).catch(() => undefined);
    if (
      !(await undoFailed(context, folder, (found) => sameLayers(found.activeLayers, newLayers))) ||
      checkpoint === undefined
    ) {
      throw error;
    }
    return { checkpoint, ...shownProblem(problem) };
  }
  await finishOrLeave(context, folder, async () =>
    freeze(files.withActive(newLayers), now.activeLayers, await looking),
  );
  return { checkpoint, ...shownProblem(problem) };
}

/** What was undone cannot be done again once something new was made. */
function nowOnTop(now: Now, parent: string, activeLayers: Now['activeLayers']): Now {
  const { redo: _redo, ...rest } = now;
  return { ...rest, parent, activeLayers };
}

interface Capture {
  machine: RunnableMachine;
  newLayers: Checkpoint['layers'];
  memoryFile: string | undefined;
  firmware: FirmwareCopy;
}

/** A production checkpoint where the guest lets its file systems be frozen; else, unless that was ruled out, a standard one that says why. */
async function captureOfKind(
  context: EngineContext,
  capture: Capture,
  kind: CheckpointKind = 'standard',
  call: Call,
): Promise<Captured> {
  const { machine, newLayers, memoryFile, firmware } = capture;
  const host = hostOf(context, machine.definition);
  const request = { newLayers, whileStill: () => firmware.read(), ...signalOf(call) };
  let problem: Saying[] | undefined;
  if (kind !== 'standard') {
    try {
      call.report?.('Freezing the file systems of the guest');
      return await host.capture(machine, { ...request, quiesce: true });
    } catch (error) {
      if (kind === 'production-only' || !(error instanceof CheckpointError) || error.code !== 'GuestNotResponding') {
        throw error;
      }
      problem = [say('noProduction', { reason: sayError(error) })];
    }
  }
  call.report?.(memoryFile === undefined ? 'Freezing disks' : 'Freezing disks and saving memory');
  const captured = await host.capture(machine, { ...request, ...(memoryFile === undefined ? {} : { memoryFile }) });
  return { ...captured, ...(problem === undefined ? {} : { problem }) };
}

/** Later than every checkpoint there is, even when the clock was set back, so that the order of creation holds. */
export function creationTime(checkpoints: readonly Checkpoint[]): string {
  const newest = byCreation(checkpoints).at(-1);
  const after = newest === undefined ? 0 : Date.parse(newest.created) + 1;
  return new Date(Math.max(Date.now(), after)).toISOString();
}
