import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { lab as machine } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf } from './copies-lab.ts';

findQemuOnce();

test('a machine has a group until it has another one, or none; an apply and a clone do not change that', async (context) => {
  const { engine } = await copiesLab(context);
  const { service, copies, machineGroups } = engine;
  const groupOf = async (name = machine): Promise<string | undefined> => (await machineOf(engine, name)).group;

  assert.equal(await groupOf(), undefined);
  assert.equal((await machineGroups.setGroup({ machine, group: ' servers ' })).machine.group, 'servers');
  await service.take({ machine, name: 'with a group' }, {});
  await machineGroups.setGroup({ machine, group: 'archive' });
  await service.apply({ machine, checkpoint: 'with a group' }, {});
  assert.equal(await groupOf(), 'archive', 'the group is no part of what a checkpoint holds');
  await service.apply({ machine, checkpoint: 'one' }, {});
  assert.equal(await groupOf(), 'archive');
  const { isSame, settings } = await engine.compare.compare({ machine, checkpoint: 'one', other: 'with a group' }, {});
  assert.deepEqual([isSame, settings], [false, []]);

  await copies.clone({ machine, checkpoint: 'one', name: 'twin' }, {});
  assert.equal(await groupOf('twin'), undefined, 'a clone is of its checkpoint, which had none');
  const [host] = (await service.list()).hosts.filter(({ id }) => id === 'qemu');
  assert.deepEqual(host?.machines.map(({ name, group }) => [name, group]).toSorted(), [
    [machine, 'archive'],
    ['twin', undefined],
  ]);

  await assert.rejects(machineGroups.setGroup({ machine, group: 'a/b' }), { code: 'InvalidName' });
  assert.equal((await machineGroups.setGroup({ machine, group: '' })).machine.group, undefined);
  assert.equal((await engine.doctor.doctor({ machine }, {})).machines[0]?.findings.length ?? 0, 0);
});
