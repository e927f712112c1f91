import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab as machine, makeLab } from '../../../support/faults/stopped-lab.ts';
import { runCkpt } from '../../../support/ckpt.ts';
import { folderOf } from '../temporary-folder.ts';

findQemuOnce();

test('the layers of Now and of each checkpoint, from the active one down to the base', async (context) => {
  const folder = await folderOf(context);
  const place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  await makeLab(place);
  const { service, layers: layerService } = engineOf(place.home);
  await service.delete({ machine, checkpoint: 'one', purge: true });
  const { machine: shown, hiddenLayers = [] } = await service.show({ machine });
  const { points, layers } = await layerService.layers({ machine }, {});

  const byFile = new Map(layers.map((layer) => [layer.file, layer]));
  assert.equal(byFile.size, layers.length);
  assert.deepEqual(
    points.map(({ kind, id, name }) => [kind, id, name]),
    [['now', undefined, 'Now'], ...shown.checkpoints.map(({ id, name }) => ['checkpoint', id, name])],
  );
  assert.deepEqual(
    layers.filter(({ role }) => role === 'hidden').map(({ file }) => file),
    hiddenLayers.map(({ file }) => file),
  );
  assert.equal(hiddenLayers.length, 1);
  for (const { kind, name, tops } of points) {
    assert.deepEqual(
      tops.map(({ disk }) => disk),
      shown.disks.map(({ id }) => id),
    );
    for (const { file } of tops) {
      const top = byFile.get(file);
      assert.equal(top?.role, kind === 'now' ? 'active' : 'checkpoint');
      assert.ok(kind === 'now' || top.of.includes(name));
      // The same files as an independent look at the images finds.
      const chain = await openChain(file, { allowParents: [path.dirname(place.image)] });
      await chain.close();
      const files: string[] = [];
      for (let layer = byFile.get(file); layer !== undefined; layer = byFile.get(layer.parent ?? '')) {
        files.push(layer.file);
        assert.equal(layer.allocatedBytes, (await stat(layer.file)).blocks * 512);
      }
      assert.deepEqual(
        files,
        chain.layers.map((layer) => layer.file.path),
      );
    }
  }
  assert.deepEqual(new Set(layers.map(({ role }) => role)), new Set(['active', 'checkpoint', 'hidden', 'base']));

  const { stdout: text } = await runCkpt(place.home, ['layers', machine, 'two']);
  assert.match(text, /frozen by “two”\n.*hidden: of no checkpoint any more\n/);
  assert.ok(!text.includes('written by Now'));
  const { stdout: json } = await runCkpt(place.home, ['layers', machine, '--json']);
  assert.deepEqual(JSON.parse(json), { machine, points, layers });
});

test('of disks that another program uses, too; a checkpoint that is not there is refused', async (context) => {
  const folder = await folderOf(context);
  const disk = path.join(folder, 'disk.vhdx');
  await create(disk, { format: 'vhdx', virtualSizeBytes: 4 * 1024 * 1024 });
  const { service, layers } = engineOf(path.join(folder, 'home'));
  await service.addMachine({ name: machine, disk, host: 'disks' }, {});
  await service.take({ machine, name: 'one' }, {});
  const found = await layers.layers({ machine }, {});
  assert.deepEqual(
    found.layers.map(({ role, format, file }) => [role, format, path.dirname(file)]),
    [
      ['active', 'vhdx', folder],
      ['checkpoint', 'vhdx', folder],
    ],
  );
  await assert.rejects(layers.layers({ machine, checkpoint: 'two' }, {}), { code: 'CheckpointNotFound' });
});
