import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GuestChecker } from '../support/consistency/guest-checker.ts';
import { serviceWithWrongOrder, type WrongOrder } from '../support/consistency/wrong-order.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 4);
const triesOfWrongOrder = 8;
/** More would make chains that QEMU takes long to open. */
const mostCheckpoints = 12;

describe('memory and disks are of one instant', () => {
  const home = homeOfSuite(name, 'started');
  let checker: GuestChecker;
  const random = seededRandom();

  before(async () => {
    checker = new GuestChecker(home.folder, name);
    await checker.start();
    await home.ckpt.run('take', ['take', name, 'clean']);
  });

  it(`${rounds} takes and applies at random moments → the guest’s checker never sees a mismatch, and its counter never skips`, async (context) => {
    const taken: { name: string; count: number }[] = [];
    const methods = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      await delay(random() * 700);
      const checkpoint = { name: `round ${round}`, count: (await checker.findings()).count };
      const { checkpoint: made } = await home.ckpt.run('take', ['take', name, checkpoint.name]);
      methods.add(made.memoryMethod ?? 'none');
      taken.push(checkpoint);
      await delay(random() * 700);
      const chosen = taken[Math.floor(random() * taken.length)] ?? checkpoint;
      await home.ckpt.run('apply', ['apply', name, chosen.name, '--discard-now']);
      const found = await checker.findings();
      assert.ok(found.count >= chosen.count, `${found.count} is not before ${chosen.count} of “${chosen.name}”`);
      assert.equal((await checker.checkedSince(found)).faults, '', `after round ${round}, to “${chosen.name}”`);
      if (taken.length > mostCheckpoints) {
        const [old] = taken.splice(Math.floor(random() * taken.length), 1);
        await home.ckpt.run('delete', ['delete', name, old?.name ?? '']);
      }
    }
    context.diagnostic(`${rounds} takes and applies; memory saved by ${[...methods].join(', ')}`);
  });

  for (const order of ['disks before memory', 'memory before disks'] satisfies WrongOrder[]) {
    it(`${order}: the wrong order is caught within ${triesOfWrongOrder} tries`, async (context) => {
      const service = serviceWithWrongOrder(home.folder, order);
      for (let attempt = 1; attempt <= triesOfWrongOrder; attempt++) {
        await service.apply({ machine: name, checkpoint: 'clean', discardNow: true }, {});
        assert.equal((await checker.checkedSince(await checker.findings())).faults, '');
        await service.take({ machine: name, name: `${order} ${attempt}` }, {});
        await service.revert({ machine: name, discardNow: true }, {});
        const { faults } = await checker.checkedSince(await checker.findings());
        if (faults !== '') {
          context.diagnostic(`caught by try ${attempt}: ${faults.split('; ')[0] ?? ''}`);
          return;
        }
      }
      assert.fail('the checker has not noticed');
    });
  }
});
