// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { faultsAt, Trial, type Finding } from './trial.ts';
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Fault } from '../../../support/faults/fault.ts';
import type { Place, VerbCall } from '../../../support/faults/stopped-lab.ts';

const isComplete = process.env['CKPT_FAULTS'] === 'all';

/** A verb, and where it is tried. */
export interface Tried {
  verb: string;
  call: VerbCall;
  place: Place;
  /** Ids of the checkpoints that are there before. */
  ids: ReadonlySet<string>;
  random: () => number;
  /** How many pairs of faults: one in the verb, one in what the next engine does. */
  doubleFaults: number;
}

/** Makes each call of a verb the last one, or fail. @throws AssertionError for whatever is not right afterwards */
export async function everyCall(
  context: TestContext,
  { verb, call, place, ids, random, doubleFaults }: Tried,
): Promise<void> {
  const started = performance.now();
  const trial = await Trial.of(verb, call, place, ids);
  const recoveries: { fault: Fault; calls: number }[] = [];
  for (let index = 1; index <= trial.calls; index++) {
    for (const fault of faultsAt(index, isComplete, random)) {
      recoveries.push({ fault, calls: await trial.try(fault) });
    }
  }
  const singles = trial.points;
  const longer = recoveries.filter(({ calls }) => calls > 1);
  for (let index = 0; index < doubleFaults; index++) {
    const first = longer[Math.floor(random() * longer.length)];
    if (first !== undefined) {
      const again = faultsAt(1 + Math.floor(random() * first.calls), isComplete, random);
      await trial.try(first.fault, again[Math.floor(random() * again.length)]);
    }
  }
  context.diagnostic(
    `${trial.calls} calls; ${singles} single and ${trial.points - singles} double faults tried; ${Math.round(performance.now() - started)} ms`,
  );
  report(trial.findings, (line) => context.diagnostic(line));
}

/**
 * What the engine is not yet right about: a promise still to be kept, each. Empty it.
 * A temporary file that the next engine does not take away; an operation that is told as failed when it has happened.
 */
const known: readonly (readonly [kind: Finding['kind'], detail: RegExp])[] = [
  [
    'files left behind',
    /^(?:machines\/(?:[^/]+\/(?:checkpoints\/)?[\w-]+\.json\.[0-9a-f]{8}\.new|\.(?:new|removed)-[\w-]+)(?:, )?)+$/,
  ],
  ['failed, but it has happened', /./],
];

function report(findings: readonly Finding[], tell: (line: string) => void): void {
  const isKnown = (finding: Finding): boolean =>
    known.some(([kind, detail]) => kind === finding.kind && detail.test(finding.detail));
  for (const [kind] of known) {
    const found = findings.filter((finding) => finding.kind === kind && isKnown(finding));
    if (found.length > 0) {
      tell(`known: ${found.length} × ${kind}, at ${found.map(({ fault }) => fault).join(' ')}`);
    }
  }
  assert.deepEqual(
    findings.filter((finding) => !isKnown(finding)).map(({ fault, kind, detail }) => `at ${fault}: ${kind}: ${detail}`),
    [],
  );
}
