import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { auditMachine } from '../../../support/folder-audit.ts';
import { giveMemoryTo } from '../../../support/faults/given-memory.ts';
import { lab, makeLab } from '../../../support/faults/stopped-lab.ts';
import { until } from '../../../support/vscode/until.ts';
import { Client } from '../server/client.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const folder = folderOfSuite();
const home = path.join(folder, 'home');
const pageBytes = 4096;

test('a job that packs memory is cancelled → nothing of it is left, the memory is as it was; packed again, it is packed', async (context) => {
  await makeLab({ home, image: path.join(folder, 'image.qcow2') });
  const machine = new MachineFolder(path.join(home, 'machines', lab));
  const two = async () => {
    const found = (await machine.read()).checkpoints.find(({ name }) => name === 'two');
    assert.ok(found?.memory);
    return { checkpoint: found, memory: found.memory };
  };
  const { checkpoints } = await machine.read();
  const bare = checkpoints.find(({ name }) => name === 'two');
  assert.ok(bare);
  // Takes its time: as much as a small guest has, and little of it the same.
  await giveMemoryTo(machine, bare, halfRandom(192 * 2 ** 20));
  const before = await two();
  const client = await Client.start(context, home);

  const packing = client.request('packMemory', { machine: lab, progressId: 'packing' }).then(
    () => 'packed',
    (error: unknown) => String(error),
  );
  const job = await until(
    'the job to pack',
    async () =>
      (await client.request('jobs', {})).jobs.find(
        ({ operation, progress }) => operation === 'packMemory' && (progress?.fraction ?? 0) > 0,
      ),
    { timeoutMilliseconds: 60_000, intervalMilliseconds: 20 },
  );
  const cancelled = await client.request('cancelJob', { job: job.id });
  assert.equal(cancelled.job.state, 'cancelled');
  assert.match(await packing, /ancelled/);
  assert.deepEqual(await two(), before);
  assert.deepEqual(await readdir(machine.inner('memory')), [path.basename(before.memory.file)]);
  const content = await readFile(machine.inner(before.memory.file));
  assert.equal(createHash('sha256').update(content).digest('hex'), before.memory.sha256);
  assert.deepEqual(await auditMachine(machine.path), { unknown: [], missing: [] });

  const done = await client.request('packMemory', { machine: lab });
  assert.equal(done.packed, 1);
  assert.ok((await two()).memory.packedBytes);
  assert.deepEqual(await auditMachine(machine.path), { unknown: [], missing: [] });
});

/** Of each page one half is random, and the other zero. */
function halfRandom(sizeBytes: number): Buffer {
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += pageBytes) {
    randomFillSync(content, at, pageBytes / 2);
  }
  return content;
}
