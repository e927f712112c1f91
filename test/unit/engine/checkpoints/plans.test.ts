import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import type { PlannedOperation } from '../../../../engine/protocol/plans.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { runCkpt } from '../../../support/ckpt.ts';
import { lab } from '../../../support/faults/stopped-lab.ts';
import { carriedOutAsPlanned } from '../../../support/planned.ts';
import { perform } from '../../../../engine/server/server.ts';
import { parseParams } from '../../../../engine/checkpoints/operation-params.ts';
import { printedError } from '../cli/refusals.ts';
import { homeContent } from '../home-content.ts';
import { copiesLab, type CopiesLab } from './copies-lab.ts';

const machine = lab;
const planned = z.object({ steps: z.array(z.object({ kind: z.string() })) });

/** Operations that copy, group or remove, one after the other on one home: each is planned, and then done as planned. */
const programs: Record<string, (folder: string) => [operation: PlannedOperation, params: object][]> = {
  'clone, flatten and remove': () => [
    ['clone', { machine, checkpoint: 'two', name: 'twin' }],
    ['flatten', { machine: 'twin' }],
    ['clone', { machine, name: 'of Now' }],
    ['clone', { machine, checkpoint: 'one', name: 'whole', full: true }],
    ['removeMachine', { machine: 'whole' }],
    ['delete', { machine, checkpoint: 'two', purge: true }],
    ['removeMachine', { machine: 'of Now' }],
    ['emptyTrash', { machine }],
  ],
  'export and import': (folder) => [
    ['export', { machine, target: path.join(folder, 'new', 'whole') }],
    ['import', { folder: path.join(folder, 'new', 'whole'), name: 'again' }],
    ['export', { machine, checkpoint: 'two', target: path.join(folder, 'disks'), to: 'vhdx' }],
  ],
  'groups and notes': () => [
    ['clone', { machine, checkpoint: 'two', name: 'twin', full: true }],
    ['groupTake', { name: 'both', machines: ['twin', machine] }],
    ['groupApply', { group: 'both' }],
    ['groupDelete', { group: 'both' }],
    ['annotate', { machine, checkpoint: 'one', notes: 'why', pinned: true, colour: 'red' }],
    ['annotate', { machine, checkpoint: 'one', pinned: false }],
    ['delete', { machine, checkpoint: 'three', also: ['one'] }],
  ],
};

for (const [program, steps] of Object.entries(programs)) {
  test(`${program}: each plan changes nothing, and says what happens`, async (context) => {
    const { engine, folder } = await copiesLab(context);
    for (const [operation, params] of steps(folder)) {
      await carriedOutAsPlanned({ engine, folder }, operation, params, () => done({ engine }, operation, params));
    }
  });
}

const refused: Record<string, [operation: PlannedOperation, params: object]> = {
  'a machine that is not there': ['take', { machine: 'nowhere' }],
  'a checkpoint that is not there': ['apply', { machine, checkpoint: 'nowhere' }],
  'a name that is taken': ['clone', { machine, checkpoint: 'two', name: 'LAB' }],
  'memory of a stopped machine': ['take', { machine, memory: true }],
  'nothing to redo': ['redo', { machine }],
  'nothing in the trash': ['restore', { machine, checkpoint: 'two' }],
  'a name that is none': ['rename', { machine, checkpoint: 'two', name: '' }],
  'a target that is there': ['export', { machine, target: '/' }],
  'a format for a whole machine': ['export', { machine, target: '/new', to: 'raw' }],
  'a folder that is no export': ['import', { folder: '/' }],
  'a group that is not there': ['groupApply', { group: 'nowhere' }],
};

test('what the operation would refuse → refused alike', async (context) => {
  const { engine, folder } = await copiesLab(context);
  for (const [what, [operation, params]] of Object.entries(refused)) {
    const act = carriedOutAsPlanned({ engine, folder }, operation, params, () => done({ engine }, operation, params));
    await assert.rejects(act, { name: 'CheckpointError' }, what);
  }
});

test('a parent that was changed → the plan of what would stand on it is refused as the operation is', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const { service } = engine;
  const { checkpoints } = (await service.show({ machine })).machine;
  const inner = new MachineFolder(path.join(folder, 'home', 'machines', machine));
  const two = (await inner.read()).checkpoints.find(
    ({ id }) => id === checkpoints.find(({ name }) => name === 'two')?.id,
  );
  await utimes(inner.inner(two?.layers['disk0'] ?? ''), 1, 1);
  for (const operation of ['apply', 'clone'] as const) {
    const params = { machine, checkpoint: 'two', ...(operation === 'clone' ? { name: 'twin' } : {}) };
    const act = carriedOutAsPlanned({ engine, folder }, operation, params, () => done({ engine }, operation, params));
    await assert.rejects(act, { code: 'ParentMismatch' });
  }
});

test('--dry-run → the steps as text, or the plan as JSON; nothing has changed', async (context) => {
  const { folder } = await copiesLab(context);
  const home = path.join(folder, 'home');
  const content = await homeContent(home);
  const text = await runCkpt(home, ['delete', machine, 'three', '--purge', '--dry-run']);
  assert.match(text.stdout, /merge disk0: .* into its (?:parent|child) .*\n/);
  assert.match(text.stdout, /Now hangs from “one”/);
  assert.match(text.stdout, /Lost for good: the checkpoint “three”\./);
  const json = await runCkpt(home, ['take', machine, 'new', '--dry-run', '--json']);
  assert.deepEqual(
    planned.parse(JSON.parse(json.stdout)).steps.map(({ kind }) => kind),
    ['create', 'create', 'attach'],
  );
  const error = await runCkpt(home, ['take', machine, '--memory', '--dry-run', '--json']);
  assert.deepEqual([error.code, printedError(error).code], [1, 'MachineNotRunning']);
  assert.deepEqual(await homeContent(home), content);
});

async function done(
  { engine }: Pick<CopiesLab, 'engine'>,
  operation: PlannedOperation,
  params: object,
): Promise<unknown> {
  return perform(engine, operation, parseParams(operation, params), {});
}
