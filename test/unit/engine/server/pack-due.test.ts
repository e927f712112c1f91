import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab, makeLab } from '../../../support/faults/stopped-lab.ts';
import { until } from '../../../support/vscode/until.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { Client } from './client.ts';

const folder = folderOfSuite();
const home = path.join(folder, 'home');
const content = Buffer.from('guest '.repeat(50_000));
const days = 24 * 60 * 60 * 1000;

test('an engine stays, memory is older than a day → a job packs it; what is newer, and what Now hangs from, stays', async (context) => {
  await makeLab({ home, image: path.join(folder, 'image.qcow2') });
  const machine = new MachineFolder(path.join(home, 'machines', lab));
  const packed = async (): Promise<string[]> =>
    (await machine.read()).checkpoints
      .filter(({ memory }) => memory?.packedBytes !== undefined)
      .map(({ name }) => name);
  for (const checkpoint of (await machine.read()).checkpoints.filter(({ expires }) => expires === undefined)) {
    const file = `memory/${checkpoint.id}.state`;
    await writeFile(machine.inner(file), content);
    await machine.writeCheckpoint({
      ...checkpoint,
      created: new Date(Date.now() - (checkpoint.name === 'two' ? 0.5 : 2) * days).toISOString(),
      memory: {
        file,
        sizeBytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
        wasPaused: false,
        hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
      },
    });
  }
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
