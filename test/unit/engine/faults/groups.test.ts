import { everyCall } from './every-call.ts';
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab, makeLab, writeToNow, type Place, type VerbCall } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const doubleFaults = Number(process.env['CKPT_DOUBLE_FAULTS'] ?? 20);
const other = 'server';
const group = 'both';

const verbs: Readonly<Record<string, VerbCall>> = {
  'group take': ({ groups }) => groups.groupTake({ name: 'new', machines: [other, lab] }, {}),
  'group apply': ({ groups }) => groups.groupApply({ group }, {}),
  'group delete': ({ groups }) => groups.groupDelete({ group }),
};

describe('a change of two machines, and whatever call is the last one, or fails', () => {
  const folder = folderOfSuite();
  const place: Place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  const random = seededRandom();
  let ids = new Set<string>();

  before(async () => {
    findQemuOnce();
    await makeLab(place);
    await makeGroup(place);
    const { hosts } = await engineOf(place.home).service.list();
    const all = hosts.flatMap(({ machines }) => machines.flatMap(({ checkpoints }) => checkpoints));
    ids = new Set(all.map(({ id }) => id));
  });

  for (const [verb, call] of Object.entries(verbs)) {
    it(`${verb} → both as before, or both as after; nothing lost, nothing left behind`, async (context) => {
      await everyCall(context, { verb, call, place, ids, random, doubleFaults });
    });
  }
});

/** One group of two machines, in each of which something was written, undone and can be redone since. */
async function makeGroup({ home }: Place): Promise<void> {
  const { copies, groups, service } = engineOf(home);
  await copies.clone({ machine: lab, checkpoint: 'two', name: other, full: true }, {});
  await groups.groupTake({ name: group, machines: [lab, other] }, {});
  for (const [at, machine] of [lab, other].entries()) {
    await writeToNow((await service.show({ machine })).machine, 70 + at, 1000, 9000);
    await service.revert({ machine }, {});
    await service.undo({ machine }, {});
    assert.notEqual((await service.show({ machine })).machine.now.redo, undefined);
  }
  assert.deepEqual(await readdir(path.join(home, 'groups')), []);
}
