import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import type { Engine } from '../../../../engine/engine.ts';
import { lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';
import type { TreeModel } from './tree-model.ts';

/** What a random step works with. */
export interface Bench {
  /** Two engines of one home, as two windows have them. */
  engines: readonly [Engine, Engine];
  model: TreeModel;
  random: () => number;
  /** Number of the step. */
  step: number;
}

/** One verb on the machine and on the model. @returns what was done, for the report of a failure */
type RandomVerb = (bench: Bench) => Promise<string>;

const machine = lab;

/** The verbs, each with how often it comes. A new verb is a new line. */
export const randomVerbs: readonly (readonly [weight: number, verb: RandomVerb])[] = [
  [4, write],
  [3, take],
  [2, apply],
  [2, revert],
  [2, undo],
  [2, redo],
  [3, deleteOne],
  [1, deleteSubtree],
  [2, restore],
  [1, emptyTrash],
  [1, rename],
  [1, twoAtOnce],
];

async function write({ engines: [{ service }], model, random, step }: Bench): Promise<string> {
  const length = 1 + Math.floor(random() * 20_000);
  const offset = Math.floor(random() * (model.content.length - length));
  await writeToNow((await service.show({ machine })).machine, step, offset, length);
  model.write(taggedContent(offset, length, step), offset);
  return `write ${length} bytes at ${offset}`;
}

async function take({ engines: [{ service }], model, step }: Bench): Promise<string> {
  const name = `point ${step}`;
  const { checkpoint } = await service.take({ machine, name }, {});
  model.take(checkpoint.id, name);
  return `take ${checkpoint.id}`;
}

async function apply({ engines: [{ service }], model, random }: Bench): Promise<string> {
  const checkpoint = choose([...model.points.keys()], random);
  if (checkpoint === undefined) {
    return 'nothing to apply';
  }
  const discardNow = random() < 0.3;
  const { kept } = await service.apply({ machine, checkpoint, discardNow }, {});
  model.apply(checkpoint, kept?.id);
  return `apply ${checkpoint}${discardNow ? ', discarding Now' : ''}`;
}

async function revert({ engines: [{ service }], model, random }: Bench): Promise<string> {
  const discardNow = random() < 0.5;
  if (model.parent === undefined) {
    await requireRefusal(service.revert({ machine }, {}), 'NothingToRevert');
    return 'revert: nothing to revert to';
  }
  const { applied, kept } = await service.revert({ machine, discardNow }, {});
  model.apply(applied.id, kept?.id);
  return `revert to ${applied.id}${discardNow ? ', discarding Now' : ''}`;
}

async function undo({ engines: [{ service }], model }: Bench): Promise<string> {
  if (model.undo === undefined) {
    await requireRefusal(service.undo({ machine }, {}), 'NothingToUndo');
    return 'undo: nothing to undo';
  }
  const { kept } = await service.undo({ machine }, {});
  model.step('undo', kept?.id ?? '');
  return 'undo';
}

async function redo({ engines: [{ service }], model }: Bench): Promise<string> {
  if (model.redo === undefined) {
    await requireRefusal(service.redo({ machine }, {}), 'NothingToRedo');
    return 'redo: nothing to redo';
  }
  const { kept } = await service.redo({ machine }, {});
  model.step('redo', kept?.id ?? '');
  return 'redo';
}

async function deleteOne({ engines: [{ service }], model, random }: Bench): Promise<string> {
  const checkpoint = choose([...model.points.keys()], random);
  if (checkpoint === undefined) {
    return 'nothing to delete';
  }
  const purge = random() < 0.4;
  await service.delete({ machine, checkpoint, purge });
  model.delete([checkpoint]);
  if (purge) {
    model.trash.delete(checkpoint);
  }
  return `delete ${checkpoint}${purge ? ' for good' : ''}`;
}

async function deleteSubtree({ engines: [{ service }], model, random }: Bench): Promise<string> {
  const checkpoint = choose([...model.points.keys()], random);
  if (checkpoint === undefined) {
    return 'nothing to delete';
  }
  const { all } = await service.delete({ machine, checkpoint, subtree: true });
  const expected = model.subtree(checkpoint);
  if (
    all
      .map(({ id }) => id)
      .sort()
      .join() !== [...expected].sort().join()
  ) {
    throw new Error(`deleted ${all.map(({ id }) => id).join()}, not ${expected.join()}`);
  }
  model.delete(expected);
  return `delete the subtree of ${checkpoint}`;
}

async function restore({ engines: [{ service }], model, random }: Bench): Promise<string> {
  const checkpoint = choose([...model.trash.keys()], random);
  if (checkpoint === undefined) {
    return 'nothing to restore';
  }
  await service.restore({ machine, checkpoint });
  model.restore(checkpoint);
  return `restore ${checkpoint}`;
}

async function emptyTrash({ engines: [{ service }], model }: Bench): Promise<string> {
  await service.emptyTrash({ machine }, {});
  model.trash.clear();
  return 'empty the trash';
}

async function rename({ engines: [{ service }], model, random, step }: Bench): Promise<string> {
  const checkpoint = choose([...model.points.keys()], random);
  if (checkpoint === undefined) {
    return 'nothing to rename';
  }
  const name = `renamed ${step}`;
  await service.rename({ machine, checkpoint, name });
  model.rename(checkpoint, name);
  return `rename ${checkpoint}`;
}

/** A take by one engine and a delete or a rename by another one: in either order they lead to the same tree. */
async function twoAtOnce(bench: Bench): Promise<string> {
  const { engines, random } = bench;
  const [one, other] = engines;
  const second = random() < 0.5 ? deleteOne : rename;
  const done = await Promise.all([
    unlessLocked(take({ ...bench, engines: [one, other] })),
    unlessLocked(second({ ...bench, engines: [other, one] })),
  ]);
  return `at once: ${done.join(' and ')}`;
}

async function unlessLocked(verb: Promise<string>): Promise<string> {
  try {
    return await verb;
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'Locked') {
      return 'refused';
    }
    throw error;
  }
}

async function requireRefusal(verb: Promise<unknown>, code: string): Promise<void> {
  const refusal: unknown = await verb.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(refusal instanceof CheckpointError && refusal.code === code)) {
    throw new Error(`not refused with ${code}`, { cause: refusal });
  }
}

export function choose<T>(values: readonly T[], random: () => number): T | undefined {
  return values[Math.floor(random() * values.length)];
}

/** One of {@link randomVerbs}, by weight. */
export function chooseVerb(random: () => number): RandomVerb {
  let left = random() * randomVerbs.reduce((sum, [weight]) => sum + weight, 0);
  const found = randomVerbs.find(([weight]) => (left -= weight) < 0);
  return found?.[1] ?? write;
}
