import assert from 'node:assert/strict';
import { access, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { checkpoint, definition } from '../builders.ts';
import { folderOf } from '../temporary-folder.ts';

const first = '0000000a';
const second = '0000000b';
const activeLayers = { disk0: 'layers/disk0-now.qcow2' };

/** A machine with two checkpoints in a line and Now below them. */
async function machineIn(context: TestContext): Promise<MachineFolder> {
  const folder = new MachineFolder(path.join(await folderOf(context), 'lab'));
  await folder.create();
  await folder.writeDefinition(definition());
  await folder.writeCheckpoint(checkpoint(first));
  await folder.writeCheckpoint(checkpoint(second, { parent: first }));
  await folder.writeNow({ parent: second, activeLayers });
  return folder;
}

function manifest(folder: MachineFolder, id: string): string {
  return path.join(folder.path, 'checkpoints', `${id}.json`);
}

test('write → read: definition, Now and checkpoints', async (context) => {
  const folder = await machineIn(context);
  const { checkpoints, ...rest } = await folder.read();
  assert.deepEqual(rest, { definition: definition(), now: { parent: second, activeLayers }, trash: [], clones: [] });
  assert.deepEqual(
    checkpoints.sort((a, b) => (a.id < b.id ? -1 : 1)),
    [checkpoint(first), checkpoint(second, { parent: first })],
  );
});

test('moved → reads the same', async (context) => {
  const folder = await machineIn(context);
  const before = await folder.read();
  await rename(folder.path, `${folder.path} elsewhere, 2`);
  const { now } = await new MachineFolder(`${folder.path} elsewhere, 2`).read();
  assert.deepEqual(now, before.now);
});

test("a manifest that names Now's own layers is no checkpoint: Now still writes there", async (context) => {
  const folder = await machineIn(context);
  await folder.writeCheckpoint(checkpoint('0000000c', { parent: second, layers: activeLayers }));
  const { checkpoints } = await folder.read();
  assert.deepEqual(checkpoints.map(({ id }) => id).sort(), [first, second]);
});

test('the manifest that another hangs from is gone → MachineDamaged, naming it', async (context) => {
  const folder = await machineIn(context);
  await rm(manifest(folder, first));
  await assert.rejects(folder.read(), {
    code: 'MachineDamaged',
    message: `The manifest ${manifest(folder, first)} is missing. Restore it from a backup.`,
  });
});

test('the manifest that Now hangs from is gone → MachineDamaged, naming it', async (context) => {
  const folder = await machineIn(context);
  await rm(manifest(folder, second));
  await assert.rejects(folder.read(), {
    code: 'MachineDamaged',
    message: `The manifest ${manifest(folder, second)} is missing. Restore it from a backup.`,
  });
});

test('Now hangs from a manifest that is void → MachineDamaged', async (context) => {
  const folder = await machineIn(context);
  await folder.writeNow({ parent: second, activeLayers: checkpoint(second).layers });
  await assert.rejects(folder.read(), { code: 'MachineDamaged' });
});

test('a manifest under the name of another checkpoint → MachineDamaged', async (context) => {
  const folder = await machineIn(context);
  await copyFile(manifest(folder, first), manifest(folder, '0000000d'));
  await assert.rejects(folder.read(), { code: 'MachineDamaged', message: /0000000d\.json.*another checkpoint/ });
});

test('checkpoints that hang from each other in a circle → MachineDamaged', async (context) => {
  const folder = await machineIn(context);
  await folder.writeCheckpoint(checkpoint(first, { parent: second }));
  await assert.rejects(folder.read(), { code: 'MachineDamaged', message: /its own ancestor/ });
});

for (const file of ['machine.json', 'now.json']) {
  test(`${file} is gone → MachineDamaged, naming it`, async (context) => {
    const folder = await machineIn(context);
    await rm(path.join(folder.path, file));
    await assert.rejects(folder.read(), {
      code: 'MachineDamaged',
      message: `The file ${path.join(folder.path, file)} is missing. Restore it from a backup.`,
    });
  });
}

test('a file in place of the folder of manifests → MachineDamaged', async (context) => {
  const folder = await machineIn(context);
  await rm(path.join(folder.path, 'checkpoints'), { recursive: true });
  await writeFile(path.join(folder.path, 'checkpoints'), '');
  await assert.rejects(folder.read(), { code: 'MachineDamaged' });
});

test('what is no manifest among the manifests is passed over', async (context) => {
  const folder = await machineIn(context);
  await writeFile(`${manifest(folder, first)}.1a2b3c4d.new`, '{');
  await mkdir(path.join(folder.path, 'checkpoints', 'notes'));
  assert.equal((await folder.read()).checkpoints.length, 2);
});

test('a journal is there from when it is written until it is cleared', async (context) => {
  const folder = await machineIn(context);
  assert.equal(await folder.readJournal(), undefined);
  const intent = {
    operation: 'take' as const,
    started: '2026-11-21T09:00:00.000Z',
    after: { activeLayers: { disk0: 'layers/disk0-new.qcow2' } },
    reusesLayers: false,
    wasRunning: true,
    runsAfterwards: true,
    releasedLayers: [],
  };
  await folder.writeJournal(intent);
  assert.deepEqual(await folder.readJournal(), { version: 1, ...intent });
  await folder.clearJournal();
  await folder.clearJournal();
  assert.equal(await folder.readJournal(), undefined);
});

test('a file that is removed → its bytes on the volume are told; again → none', async (context) => {
  const folder = await machineIn(context);
  await writeFile(folder.inner('layers/x'), Buffer.alloc(64 * 1024, 1));
  assert.ok((await folder.removeFile(folder.inner('layers/x'))) >= 64 * 1024);
  await assert.rejects(access(folder.inner('layers/x')), { code: 'ENOENT' });
  assert.equal(await folder.removeFile(folder.inner('layers/x')), 0);
});
