import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { giveMemoryTo } from '../../../support/faults/given-memory.ts';
import { lab, makeLab } from '../../../support/faults/stopped-lab.ts';
import { until } from '../../../support/vscode/until.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { Client } from './client.ts';

const folder = folderOfSuite();
const home = path.join(folder, 'home');
const content = Buffer.from('guest '.repeat(50_000));
/** By then an engine has begun what it does without being asked. */
const firstLookMs = 8000;
const days = 24 * 60 * 60 * 1000;

test('an engine stays, memory is older than a day → a job packs it, unless that is turned off; what is newer, and what Now hangs from, stays', async (context) => {
  await makeLab({ home, image: path.join(folder, 'image.qcow2') });
  const machine = new MachineFolder(path.join(home, 'machines', lab));
  const packed = async (): Promise<string[]> =>
    (await machine.read()).checkpoints
      .filter(({ memory }) => memory?.packedBytes !== undefined)
      .map(({ name }) => name);
  for (const checkpoint of (await machine.read()).checkpoints.filter(({ expires }) => expires === undefined)) {
    const ageDays = checkpoint.name === 'two' ? 0.5 : 2;
    await giveMemoryTo(machine, checkpoint, content, new Date(Date.now() - ageDays * days).toISOString());
  }
  // As an editor starts its engine where the setting says so.
  process.env['VM_CHECKPOINTS_PACK_MEMORY'] = 'off';
  context.after(() => delete process.env['VM_CHECKPOINTS_PACK_MEMORY']);
  const off = await Client.start(context, home);
  const greeted = performance.now();
  await until('what it does by itself', () => performance.now() - greeted > firstLookMs, {
    timeoutMilliseconds: 2 * firstLookMs,
  });
  assert.deepEqual((await off.request('jobs', {})).jobs, [], 'it was turned off');
  off.process.kill();
  delete process.env['VM_CHECKPOINTS_PACK_MEMORY'];

  const client = await Client.start(context, home);
  const job = await until(
    'the packing of memory',
    async () =>
      (await client.request('jobs', {})).jobs.find(
        ({ operation, state }) => operation === 'packMemory' && state === 'done',
      ),
    { timeoutMilliseconds: 60_000, intervalMilliseconds: 200 },
  );
  assert.equal(job.result?.['packed'], 1);
  assert.deepEqual(await packed(), ['one']);
});
