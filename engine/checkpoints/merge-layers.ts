import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import { parseSize } from '../model/size.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { orLeft } from './carry-out.ts';
import { goneForGood, type Purged } from './delete-for-good.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { inRounds, InterruptibleWork, type RoundEnd } from './giving-way.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { decideRunningMerge, mergeRunning } from './running-merge.ts';
import { lookAgain } from './open-locked.ts';
import { tidy, type Tidied } from './tidy.ts';

export interface MergeOptions {
  /** Bytes a second at most, of merges in a running machine. Default: what the environment says, else as fast as can be. */
  speed?: number;
}

/** What `VM_CHECKPOINTS_MERGE_SPEED` says, such as `50M`; what is no size says nothing. */
function usualSpeed(environment: NodeJS.ProcessEnv): number | undefined {
  const speed = parseSize(environment['VM_CHECKPOINTS_MERGE_SPEED'] ?? '');
  return speed === 0 ? undefined : speed;
}

export type Merged = Pick<Tidied, 'mergedLayers' | 'movedBytes' | 'freedBytes'>;

/**
 * Merges away the hidden layers of a machine, whether it runs or not. While a running machine merges, others that want to
 * change it are given way to, and what had to be interrupted for them is begun again afterwards.
 * @param reference of the machine
 * @throws MachineNotFound, MachineDamaged, Locked when others do not let go of it; NotEnoughSpace, GuestTooBusy, QemuFailed, QmpTimeout
 */
export async function mergeLayers(
  context: EngineContext,
  reference: string,
  options: MergeOptions,
  call: Call,
): Promise<Merged> {
  let merged: Merged = { mergedLayers: 0, movedBytes: 0, freedBytes: 0 };
  const round = async (machine: OpenMachine): Promise<RoundEnd> => {
    const done = await mergeOne(context, machine, options, call);
    merged = sum(merged, done);
    return done;
  };
  await inRounds(context, reference, { operation: 'merge', what: mergingLayers }, round, call);
  return merged;
}

/**
 * The end of a delete for good of a machine that runs: what only that machine can merge away. The checkpoints are gone, so that
 * it fails does not make that a failure.
 */
export async function withRunningMerges<P extends Purged>(
  context: EngineContext,
  reference: string,
  gone: P,
  options: MergeOptions,
  call: Call,
): Promise<P> {
  try {
    const { movedBytes, freedBytes } = await mergeLayers(context, reference, options, call);
    return { ...gone, movedBytes: gone.movedBytes + movedBytes, freedBytes: gone.freedBytes + freedBytes };
  } catch (error) {
    if (isAbort(error)) {
      throw goneForGood();
    }
    const problem = toWireError(error).message;
    context.log.error(`Machine ${reference}: layers could not be merged away: ${problem}`);
    return { ...gone, problem };
  }
}

const mergingLayers = 'Merging layers';

type Round = Merged & RoundEnd;

async function mergeOne(
  context: EngineContext,
  opened: OpenMachine,
  { speed = usualSpeed(process.env) }: MergeOptions,
  call: Call,
): Promise<Round> {
  const { folder } = opened;
  const tidied = await orLeft(context, undefined, () => tidy(context, opened, call));
  if (tidied === undefined) {
    return { mergedLayers: 1, movedBytes: 0, freedBytes: 0, next: 'end' };
  }
  const machine = tidied.mergedLayers + tidied.removedLayers === 0 ? opened : await lookAgain(context, folder);
  const { records, presence } = machine;
  if (presence.state === 'stopped') {
    return { ...tidied, next: 'end' };
  }
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const graph = await readLayerGraph(files, records, true);
  const decided = await decideRunningMerge(files, graph.layers, records.now.activeLayers, call);
  if (decided === undefined) {
    return { ...tidied, next: 'end' };
  }
  const work = await InterruptibleWork.begin(folder.lock, mergingLayers, call);
  try {
    const moved = await mergeRunning(context, machine, graph, decided, {
      ...call,
      signal: work.signal,
      onBytes: work.onBytes,
      ...(speed === undefined ? {} : { speed }),
    });
    return { ...sum(tidied, { ...moved, mergedLayers: 1 }), next: 'on' };
  } catch (error) {
    const interruption = await work.interruption();
    if (interruption !== undefined) {
      return { ...tidied, ...interruption };
    }
    const { presence: found } = await lookAgain(context, folder);
    if (found.state === 'stopped') {
      // It has ended meanwhile: what is stopped is merged without it.
      return { ...tidied, next: 'on' };
    }
    throw error;
  }
}

function sum(one: Merged, other: Merged): Merged {
  return {
    mergedLayers: one.mergedLayers + other.mergedLayers,
    movedBytes: one.movedBytes + other.movedBytes,
    freedBytes: one.freedBytes + other.freedBytes,
  };
}
