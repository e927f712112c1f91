import { everyCall } from './every-call.ts';
import path from 'node:path';
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { makeLab, engineOf, type Place } from '../../../support/faults/stopped-lab.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { FaultTotals } from './fault-totals.ts';
import { verbs } from './verbs.ts';

const doubleFaults = Number(process.env['CKPT_DOUBLE_FAULTS'] ?? 6);
const totals = new FaultTotals();

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
      await everyCall(context, { verb, call, place, ids, random, doubleFaults, totals });
    });
  }

  it('→ every kind of death and of error was tried, at calls of every verb', (context) => {
    context.diagnostic(totals.told());
    assert.deepEqual(totals.untried(), []);
  });
});
