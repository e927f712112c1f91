// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { faultsAt, Trial } from './trial.ts';
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Fault } from '../../../support/faults/fault.ts';
import type { Place, PreparedVerb, VerbCall } from '../../../support/faults/stopped-lab.ts';
import { sumOf, type FaultTotals } from './fault-totals.ts';

const isComplete = process.env['CKPT_FAULTS'] === 'all';

/** A verb, and where it is tried. */
export interface Tried {
  verb: string;
  call: VerbCall | PreparedVerb;
  place: Place;
  /** Ids of the checkpoints that are there before. */
  ids: ReadonlySet<string>;
  random: () => number;
  /** How many pairs of faults: one in the verb, one in what the next engine does. */
  doubleFaults: number;
  totals?: FaultTotals;
}

/** Makes each call of a verb the last one, or fail. @throws AssertionError for whatever is not right afterwards */
export async function everyCall(
  context: TestContext,
  { verb, call, place, ids, random, doubleFaults, totals }: Tried,
): Promise<void> {
  const started = performance.now();
  const trial = await Trial.of(verb, call, place, ids);
  const recoveries: { fault: Fault; calls: number }[] = [];
  for (let index = 1; index <= trial.calls; index++) {
    for (const fault of faultsAt(index, isComplete, random)) {
      recoveries.push({ fault, calls: await trial.try(fault) });
    }
  }
  const longer = recoveries.filter(({ calls }) => calls > 1);
  for (let index = 0; index < doubleFaults; index++) {
    const first = longer[Math.floor(random() * longer.length)];
    if (first !== undefined) {
      const again = faultsAt(1 + Math.floor(random() * first.calls), isComplete, random);
      await trial.try(first.fault, again[Math.floor(random() * again.length)]);
    }
  }
  context.diagnostic(
    `${trial.calls} calls; ${sumOf(trial.singles)} single and ${trial.doubles} double faults tried; ${Math.round(performance.now() - started)} ms`,
  );
  totals?.add(trial);
  assert.deepEqual(
    trial.findings.map(({ fault, kind, detail }) => `at ${fault}: ${kind}: ${detail}`),
    [],
  );
}
