import { faultsAt, Trial, type Finding } from './trial.ts';
import type { Fault } from '../../../support/faults/fault.ts';
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { makeLab, engineOf, type Place } from '../../../support/faults/stopped-lab.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { verbs } from './verbs.ts';

const isComplete = process.env['CKPT_FAULTS'] === 'all';
const doubleFaults = Number(process.env['CKPT_DOUBLE_FAULTS'] ?? 6);

describe('whatever call is the last one, or fails', () => {
  const folder = folderOfSuite();
  const place: Place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  const random = seededRandom();
  let ids = new Set<string>();

  before(async () => {
    findQemuOnce();
    await makeLab(place);
    const { hosts } = await engineOf(place.home).service.list();
    ids = new Set(
      hosts.flatMap(({ machines }) => machines.flatMap(({ checkpoints }) => checkpoints.map(({ id }) => id))),
    );
  });

  for (const [verb, call] of Object.entries(verbs)) {
    it(`${verb} → the state before, or the state after; nothing lost, nothing left behind`, async (context) => {
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
    });
  }
});

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
