import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf } from './copies-lab.ts';

const machine = lab;
const yearMs = 365 * 24 * 60 * 60 * 1000;

for (const [direction, jumpMs] of [
  ['forward', yearMs],
  ['back', -yearMs],
] as const) {
  test(`the clock jumps ${direction} by a year → the order of creation holds, and nothing is purged`, async (context) => {
    const { engine } = await copiesLab(context);
    const { service, retention } = engine;
    await service.delete({ machine, checkpoint: 'two' });
    await retention.policy({ machine, policy: { hourly: 2, daily: 2 } });
    const before = await machineOf(engine);
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() + jumpMs });
    const gone = async (): Promise<string[]> => {
      const { machines } = await retention.prune({ machine }, {});
      return machines.flatMap(({ deleted }) => deleted.map(({ name }) => name));
    };
    assert.deepEqual(await gone(), []);
    const { checkpoint } = await service.take({ machine, name: 'after the jump' }, {});
    assert.deepEqual(await gone(), []);
    const after = await machineOf(engine);
    assert.deepEqual(
      after.checkpoints.map(({ id }) => id),
      [...before.checkpoints.map(({ id }) => id), checkpoint.id],
    );
    assert.deepEqual(
      after.trash.map(({ checkpoint: one }) => one.id),
      before.trash.map(({ checkpoint: one }) => one.id),
    );
    context.mock.timers.reset();
    const { checkpoint: right } = await service.take({ machine, name: 'the clock is right again' }, {});
    assert.deepEqual(await gone(), []);
    assert.equal((await machineOf(engine)).checkpoints.at(-1)?.id, right.id);
    await service.restore({ machine, checkpoint: 'two' });
  });
}
