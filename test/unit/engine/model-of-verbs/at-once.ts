import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { requireSameContents, requireSameTree, requireSameWaysBack } from './same-as-model.ts';
import { chooseDeed, codeOf, type Bench, type Deed } from './random-verbs.ts';
import type { TreeModel } from './tree-model.ts';
import type { VerbEngine } from './verb-engine.ts';

/** How a deed ended: with what it does to the model, or refused. */
type Ended = { deed: Deed } & ({ effect: (model: TreeModel) => void } | { code: string });

const mostTries = 200;

/**
 * Engines carry out programs on one machine at the same time, each trying again when another one holds it.
 * @returns the model after the order of deeds that explains what is there, and how often an engine was refused
 * @throws when no order does
 */
export async function allAtOnce(
  bench: Bench,
  engines: readonly VerbEngine[],
  deedsOfEach: number,
): Promise<{ model: TreeModel; told: string; refusals: number }> {
  const programs = engines.map((engine) => ({
    engine,
    deeds: Array.from({ length: deedsOfEach }, () => chooseDeed(bench, true)),
  }));
  let refusals = 0;
  const ended = await Promise.all(
    programs.map(async ({ engine, deeds }) => {
      const done: Ended[] = [];
      for (const deed of deeds) {
        done.push(await untilFree(deed, engine, () => (refusals += 1)));
      }
      return done;
    }),
  );
  const told = `at once: ${ended.map((program) => program.map(tell).join(', then ')).join(' | ')}`;
  for (const model of serialOrders(bench.model, ended)) {
    const [engine] = engines;
    if (engine !== undefined && (await isSame(engine, bench, model))) {
      return { model, told, refusals };
    }
  }
  throw new Error(`no order of these leads to what is there: ${told}`);
}

async function untilFree(deed: Deed, engine: VerbEngine, onRefusal: () => void): Promise<Ended> {
  for (let tries = 1; ; tries++) {
    try {
      return { deed, effect: await deed.run(engine) };
    } catch (error) {
      if (!(error instanceof CheckpointError)) {
        throw error;
      }
      if (error.code !== 'Locked' || tries === mostTries) {
        return { deed, code: codeOf(error) };
      }
      assert.match(error.message, /\S \(process \d+, [a-z ]+\)/, 'it says who holds the machine');
      onRefusal();
      await delay(5);
    }
  }
}

function tell(ended: Ended): string {
  return 'code' in ended ? `${ended.deed.told} (${ended.code})` : ended.deed.told;
}

/** The models that every order leads to in which each engine's deeds follow each other, and each was refused when it had to be. */
function* serialOrders(model: TreeModel, programs: readonly (readonly Ended[])[]): Generator<TreeModel> {
  if (programs.every(({ length }) => length === 0)) {
    yield model;
    return;
  }
  for (const [at, [first, ...rest]] of programs.entries()) {
    const next = first === undefined ? undefined : after(model, first);
    if (next !== undefined) {
      yield* serialOrders(next, programs.with(at, rest));
    }
  }
}

/** @returns undefined when it cannot have ended so on this model */
function after(model: TreeModel, ended: Ended): TreeModel | undefined {
  const refused = 'code' in ended ? ended.code : undefined;
  if (ended.deed.refusal(model) !== refused) {
    return undefined;
  }
  const next = model.copy();
  try {
    if ('effect' in ended) {
      ended.effect(next);
    }
  } catch {
    return undefined;
  }
  return next;
}

/**
 * Two orders can lead to one tree, in which what two undos kept holds the other one's bytes, or remembers the other one's
 * way back: so those are looked at, too.
 */
async function isSame(engine: VerbEngine, { model: before, folder }: Bench, model: TreeModel): Promise<boolean> {
  try {
    await requireSameTree(engine, model, folder);
    const isNew = (id: string): boolean => !before.points.has(id) && !before.trash.has(id);
    await requireSameContents(engine, model, folder, isNew);
    await requireSameWaysBack(engine, model, isNew);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) {
      return false;
    }
    throw error;
  }
}
