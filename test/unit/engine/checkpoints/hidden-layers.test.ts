import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import type { HiddenLayerInfo } from '../../../../engine/protocol/hidden-layers.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab as machine, makeLab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { runCkpt } from '../../../support/ckpt.ts';
import { folderOf } from '../temporary-folder.ts';

findQemuOnce();

const kept = 'Before applying “one”';

test('a checkpoint with two children deleted for good → shown, with who needs it; one of them left → merged away', async (context) => {
  const folder = await folderOf(context);
  const place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  await makeLab(place);
  const { service, copies } = engineOf(place.home);
  assert.deepEqual((await service.show({ machine })).hiddenLayers, []);
  await service.delete({ machine, checkpoint: 'one' });
  assert.deepEqual((await service.show({ machine })).hiddenLayers, [], 'what is in the trash is not hidden');
  await service.restore({ machine, checkpoint: 'one' });
  const deleted = await service.delete({ machine, checkpoint: 'one', purge: true });
  assert.ok(!('hiddenLayers' in deleted));

  const [shown, ...more] = (await service.show({ machine })).hiddenLayers ?? [];
  assert.ok(shown !== undefined);
  assert.deepEqual(more, []);
  assert.deepEqual(
    shown.neededBy.map(({ kind, name }) => [kind, name]),
    [
      ['checkpoint', 'two'],
      ['checkpoint', kept],
      ['checkpoint', 'three'],
      ['now', 'Now'],
    ],
  );
  assert.deepEqual([shown.disk, shown.why], ['disk0', 'several']);
  assert.equal(shown.allocatedBytes, (await stat(shown.file)).blocks * 512);
  assert.ok(shown.allocatedBytes > 0);

  const { stdout: json } = await runCkpt(place.home, ['show', machine, '--json']);
  assert.ok(json.includes(JSON.stringify([shown])));
  const { stdout: text } = await runCkpt(place.home, ['show', machine]);
  assert.ok(text.includes(`  ${shown.file}  `), text);
  assert.ok(text.includes(`Needed by “two”, “${kept}”, “three”, Now: several layers stand on it`), text);

  // A linked clone needs it, too, by the checkpoint that it stands on.
  await copies.clone({ machine, checkpoint: 'two', name: 'twin' }, {});
  const cloned = (await service.show({ machine })).hiddenLayers ?? [];
  assert.deepEqual(
    cloned.map(({ why, neededBy }) => [why, neededBy.at(-1)?.kind, neededBy.at(-1)?.name]),
    [['clone', 'clone', 'twin']],
  );
  await service.removeMachine({ machine: 'twin' });

  await service.delete({ machine, checkpoint: 'two', subtree: true });
  assert.deepEqual(
    (await service.show({ machine })).hiddenLayers?.map(({ neededBy }) => neededBy.map(({ kind }) => kind)),
    [['checkpoint', 'now', 'trash', 'trash']],
  );
  await service.emptyTrash({ machine }, {});
  assert.deepEqual((await service.show({ machine })).hiddenLayers, []);
  assert.ok(!(await readdir(path.dirname(shown.file))).includes(path.basename(shown.file)), 'it is gone');
});

test('of disks that another program uses, too: beside the disk', async (context) => {
  const folder = await folderOf(context);
  const disk = path.join(folder, 'disk.vhdx');
  await create(disk, { format: 'vhdx', virtualSizeBytes: 4 * 1024 * 1024 });
  const { service } = engineOf(path.join(folder, 'home'));
  await service.addMachine({ name: machine, disk, host: 'disks' }, {});
  const write = async (tag: number): Promise<void> =>
    writeToNow((await service.show({ machine })).machine, tag, tag * 8192, 4096);
  for (const [tag, name] of ['below', 'one', 'two'].entries()) {
    await write(tag);
    await service.take({ machine, name }, {});
  }
  await service.apply({ machine, checkpoint: 'one', discardNow: true }, {});
  await write(5);
  await service.delete({ machine, checkpoint: 'one', purge: true });
  const hidden = async (): Promise<HiddenLayerInfo[] | undefined> => (await service.show({ machine })).hiddenLayers;
  const [shown] = (await hidden()) ?? [];
  assert.equal(path.dirname(shown?.file ?? ''), folder);
  assert.deepEqual(shown?.neededBy.map(({ name }) => name).sort(), ['Now', 'two']);
  await service.delete({ machine, checkpoint: 'two', purge: true });
  assert.deepEqual(await hidden(), []);
});

test('a chain that is broken → the machine is shown, and nothing is said of hidden layers', async (context) => {
  const folder = await folderOf(context);
  const place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  await makeLab(place);
  const { service } = engineOf(place.home);
  await service.delete({ machine, checkpoint: 'one', purge: true });
  const [hidden] = (await service.show({ machine })).hiddenLayers ?? [];
  assert.ok(hidden !== undefined);
  await chmod(hidden.file, 0o600);
  await writeFile(hidden.file, 'no disk any more');
  const shown = await service.show({ machine });
  assert.equal(shown.machine.state, 'stopped');
  assert.ok(!('hiddenLayers' in shown));
});
