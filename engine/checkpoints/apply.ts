import { randomUUID } from 'node:crypto';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import { inGroup, type LayerOfDisk, type Now } from '../model/machine.ts';
import { isLeaf, sameLayers } from '../model/tree.ts';
import type { ApplyOptions } from '../protocol/operations.ts';
import { newFirmwareFolder, readFirmwareOf, writeFirmware } from '../store/firmware-folder.ts';
import type { Draft } from '../store/atomic-file.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { oweWelcome } from '../store/owed-welcome.ts';
import type { JournalRecord } from '../store/records.ts';
import { activate, hasPlaces, prepareActivation } from './activation.ts';
import { isCloned } from './clone-records.ts';
import { FirmwareCopy, hasFirmwareState, presentMachine } from './firmware-copy.ts';
import { newGeneration } from './generation.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { createLayers, lookAhead, newLayerNames, thaw, verifyAhead } from './layers.ts';
import type { OpenMachine } from './locked-machine.ts';
import { finish, finishOrLeave, undoFailed } from './recover.ts';
import { memoryFileOf, newMemoryFile, shareMemory } from './share-memory.ts';
import { needsOfMemory, needsOfNewLayers, requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { creationTime } from './take.ts';
import { together } from './together.ts';

/** How long a state is kept that apply, undo or redo left. */
const keptForMs = 24 * 60 * 60 * 1000;

export type ApplyOperation = 'apply' | 'undo' | 'redo';

export interface Applied {
  kept?: Checkpoint;
}

/** What an apply, an undo or a redo will do, once it is known that it can be done. */
export interface ApplyDecision {
  target: Checkpoint;
  operation: ApplyOperation;
  /** Memory that Now comes back with; absent when it ends stopped. */
  memory?: SavedMemory;
  /** What Now is kept as, without what only the capture tells; absent when it is discarded. */
  kept?: Omit<Checkpoint, 'memory'>;
  /** Memory that Now is to have as one that is saved, and has no file of its own yet. */
  sharedMemory?: SavedMemory;
  journal: Omit<JournalRecord, 'version' | 'started'>;
  /** Firmware state that Now comes back with, and the folders for that and for what is kept. */
  firmware: Awaited<ReturnType<typeof readFirmwareOf>>;
  newFirmware?: string;
  keptFirmware?: string;
  needs: SpaceNeed[];
}

/** Decides what an apply does; changes nothing. @throws MemoryNotCompatible, DiskInUse, NotEnoughSpace */
export async function decideApply(
  context: EngineContext,
  machine: OpenMachine,
  target: Checkpoint,
  operation: ApplyOperation,
  options: ApplyOptions,
): Promise<ApplyDecision> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const host = hostOf(context, definition);
  const tree = { machine: definition.name, ...records };
  // One that was given a name is wanted as a checkpoint, and stays one.
  const reusesLayers =
    operation !== 'apply' &&
    target.expires !== undefined &&
    isLeaf(tree, target.id) &&
    !isCloned(records.clones, target.layers);
  const wanted = options.disksOnly === true ? undefined : target.memory;
  // One that was taken of a saved machine makes Now a saved machine again; others run.
  const savedMemory = wanted?.wasSaved === true ? savedAgain(wanted, reusesLayers) : undefined;
  const memory = savedMemory === undefined ? wanted : undefined;
  if (memory !== undefined) {
    await host.checkMemory(target.definition, memory);
  }
  await host.requireUnused(presentMachine(folder, definition, now));
  const isUp = presence.state !== 'stopped';
  const keptId = options.discardNow === true ? undefined : randomUUID();
  const keepsMemory = keptId !== undefined && isUp;
  const memoryFile = keepsMemory ? memoryFileOf(keptId) : undefined;
  const needs = [
    ...(reusesLayers ? [] : needsOfNewLayers(folder, target.definition)),
    ...needsOfMemory(machine, memoryFile),
  ];
  await requireSpaceFor(context, `Applying “${target.name}”`, needs, machine);
  const newLayers = reusesLayers ? target.layers : newLayerNames(target.definition);
  const firmware = target.firmware === undefined ? [] : await readFirmwareOf(folder, target.firmware);
  const newFirmware = hasFirmwareState(target.definition) ? newFirmwareFolder() : undefined;
  const keptFirmware = keptId === undefined || now.firmware === undefined ? undefined : newFirmwareFolder();
  return {
    firmware,
    ...(newFirmware === undefined ? {} : { newFirmware }),
    ...(keptFirmware === undefined ? {} : { keptFirmware }),
    target,
    operation,
    ...(memory === undefined ? {} : { memory }),
    ...(keptId === undefined ? {} : { kept: keptState(keptId, machine, target, operation) }),
    ...(savedMemory === undefined || reusesLayers ? {} : { sharedMemory: savedMemory }),
    needs,
    journal: {
      operation,
      ...(keptId === undefined ? {} : { checkpoint: keptId }),
      after: {
        ...nowAfter(operation, target, reusesLayers, newLayers, keptId),
        ...(newFirmware === undefined ? {} : { firmware: newFirmware }),
        ...newGeneration(target.definition),
        ...(savedMemory === undefined ? {} : { memory: savedMemory }),
      },
      reusesLayers,
      wasRunning: presence.state === 'running',
      runsAfterwards: memory !== undefined && !memory.wasPaused,
      definition: inGroup({ ...target.definition, id: definition.id, name: definition.name }, definition.group),
      ...(memoryFile === undefined ? {} : { memoryFile }),
      releasedLayers: keptId === undefined ? Object.values(now.activeLayers) : [],
      ...(reusesLayers ? { releasedCheckpoint: target.id } : {}),
      ...releasedMemory(now, keptId, reusesLayers && savedMemory === undefined ? target.memory : undefined),
      madeFirmware: [newFirmware, keptFirmware].filter((one) => one !== undefined),
      releasedFirmware: [now.firmware, reusesLayers ? target.firmware?.folder : undefined].filter(
        (one) => one !== undefined,
      ),
    },
  };
}

/**
 * Makes Now equal to a checkpoint. What Now was is kept as a checkpoint that expires, unless it is to be discarded.
 * The running machine stands still but lives until its successor has been loaded, so that a failure costs nothing.
 *
 * Undo applies what an apply kept, and redo what an undo kept; when nothing hangs from that, it stops being a checkpoint
 * and is Now again, so that the tree is as it was.
 */
export async function apply(
  context: EngineContext,
  machine: OpenMachine,
  target: Checkpoint,
  operation: ApplyOperation,
  options: ApplyOptions,
  call: Call,
): Promise<Applied> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  machine.about.push(target.name);
  const decided = await decideApply(context, machine, target, operation, options);
  const { memory, firmware, newFirmware, keptFirmware, sharedMemory: shared } = decided;
  const journal = { ...decided.journal, started: new Date().toISOString() };
  const { after, reusesLayers, memoryFile } = journal;
  const newLayers = after.activeLayers;
  const host = hostOf(context, definition);
  const present = presentMachine(folder, definition, now);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  call.signal?.throwIfAborted();
  const isUp = presence.state !== 'stopped';
  const { placed, durable } = folder.placeJournal(journal);
  // While that waits for the disk. A guest that runs still writes to them; what is used in its place moves first.
  const looking = isUp || decided.kept === undefined ? undefined : lookAhead(files, now.activeLayers);
  const verifying = isUp || reusesLayers || hasPlaces(files) ? undefined : verifyAhead(files, target.layers);
  let kept: Checkpoint | undefined;
  let drafting: Promise<Draft> | undefined;
  try {
    // Until the journal is there, there are only drafts; until it is durable, only new files that nothing names.
    if (isUp || memory !== undefined || reusesLayers || hasPlaces(files)) {
      await durable;
    } else if (newFirmware !== undefined || keptFirmware !== undefined || shared !== undefined) {
      await placed;
    }
    const prepared = await prepareActivation(files, now.activeLayers, newLayers);
    const make = (): Promise<void> =>
      reusesLayers ? thaw(files, newLayers) : createLayers(prepared, newLayers, target.layers, call.signal, verifying);
    // A successor stands on them.
    const isFirst = isUp || memory !== undefined;
    if (isFirst) {
      await make();
    }
    if (newFirmware !== undefined) {
      await writeFirmware(folder, newFirmware, firmware);
    }
    // What Now was is saved while its successor is loaded: they are processes of their own.
    const holding = isUp ? host.hold(present, memoryFile, call.signal) : undefined;
    if (memory === undefined) {
      call.report?.('Keeping the present state');
      await holding;
    } else {
      call.report?.(`Loading “${target.name}”`);
      const successor = presentMachine(folder, target.definition, after);
      await together(holding ?? Promise.resolve(), host.prepareSuccessor(successor, memory, call.signal));
    }
    const keptMemory = await holding;
    if (decided.kept !== undefined) {
      const state = await new FirmwareCopy(present, keptFirmware).write();
      kept = {
        ...decided.kept,
        // What was saved is not copied: it is the kept state's from here on.
        ...(isUp || now.memory === undefined ? {} : { memory: now.memory }),
        ...(keptMemory === undefined ? {} : { memory: keptMemory }),
        ...(state === undefined ? {} : { firmware: state }),
      };
    }
    // All are on the disk before Now changes, in no order: see take.
    drafting = folder.draftNow(after);
    const writing: Promise<void>[] = kept === undefined ? [] : [folder.writeCheckpoint(kept, durable)];
    if (shared !== undefined && target.memory !== undefined) {
      writing.push(shareMemory(folder, target.memory, shared.file));
    }
    if (!isFirst) {
      writing.push(placed.then(make));
    }
    await together(durable, drafting, ...writing);
    await host.requireUnused(present);
    await activate(files, now.activeLayers, newLayers);
    await (await drafting).place();
  } catch (error) {
    await drafting?.then((draft) => draft.drop()).catch(() => undefined);
    if (!(await undoFailed(context, folder, (found) => sameLayers(found.activeLayers, newLayers)))) {
      throw error;
    }
    return kept === undefined ? {} : { kept };
  }
  await finishOrLeave(context, folder, async () => {
    await finish(host, folder, await folder.read(), { version: 1, ...journal }, await looking);
    if (journal.runsAfterwards) {
      await oweWelcome(folder);
    }
  });
  return kept === undefined ? {} : { kept };
}

/** The file goes with what is released; one that stays shares it. */
function savedAgain(memory: SavedMemory, isReleased: boolean): SavedMemory {
  return isReleased ? memory : { ...memory, file: newMemoryFile(memory) };
}

/** What was saved goes with a Now that is discarded, and what was kept of a running machine once that runs again. */
function releasedMemory(
  now: Now,
  keptId: string | undefined,
  ofTarget: SavedMemory | undefined,
): Pick<JournalRecord, 'releasedMemoryFile' | 'alsoReleasedMemoryFile'> {
  const ofNow = keptId === undefined ? now.memory : undefined;
  const [first, second] = [ofTarget, ofNow].filter((one) => one !== undefined);
  return {
    ...(first === undefined ? {} : { releasedMemoryFile: first.file }),
    ...(second === undefined ? {} : { alsoReleasedMemoryFile: second.file }),
  };
}

/** Each kept state remembers what could be undone and redone before it, so that undo and redo go back and forth step by step. */
function nowAfter(
  operation: ApplyOperation,
  target: Checkpoint,
  reusesLayers: boolean,
  activeLayers: LayerOfDisk,
  kept: string | undefined,
): Now {
  const parent = reusesLayers ? target.parent : target.id;
  const undo = { apply: kept, undo: target.undo, redo: kept }[operation];
  const redo = { apply: undefined, undo: kept, redo: target.redo }[operation];
  return {
    ...(parent === undefined ? {} : { parent }),
    activeLayers,
    ...(undo === undefined ? {} : { undo }),
    ...(redo === undefined ? {} : { redo }),
  };
}

function keptState(
  id: string,
  machine: OpenMachine,
  target: Checkpoint,
  operation: ApplyOperation,
): Omit<Checkpoint, 'memory'> {
  const { records, presence } = machine;
  const { now } = records;
  const created = creationTime(records.checkpoints);
  const name = operation === 'apply' ? `Before applying “${target.name}”` : `Before ${operation}`;
  return {
    id,
    ...(now.parent === undefined ? {} : { parent: now.parent }),
    name: [...name].slice(0, 100).join(''),
    created,
    createdBy: operation,
    consistency: presence.state === 'stopped' && now.memory === undefined ? 'offline' : 'crash',
    layers: now.activeLayers,
    definition: records.definition,
    ...(machine.runningSeconds === undefined ? {} : { runningSeconds: machine.runningSeconds }),
    expires: new Date(Date.parse(created) + keptForMs).toISOString(),
    ...(now.undo === undefined ? {} : { undo: now.undo }),
    ...(now.redo === undefined ? {} : { redo: now.redo }),
  };
}
