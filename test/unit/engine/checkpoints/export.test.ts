import { Trial } from '../faults/trial.ts';
import { sumOf } from '../faults/fault-totals.ts';
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { compare } from '../../../../engine/disks/operations/compare.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { faultKinds } from '../../../support/faults/fault.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { contentHash } from '../../../support/faults/home-state.ts';
import { engineOf, lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;

test('export → import elsewhere → the same tree with the same content, and the same id', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const target = path.join(folder, 'exports', 'lab');
  const { files } = await engine.copies.export({ machine, target }, {});
  assert.ok(files.length >= 6, files.join(', '));
  const elsewhere = { home: path.join(folder, 'elsewhere'), image: path.join(folder, 'image.qcow2') };
  const other = engineOf(elsewhere.home);
  const imported = (await other.copies.import({ folder: target }, {})).machine;
  const original = await machineOf(engine);
  assert.equal(imported.id, original.id);
  const tree = ({ checkpoints, now }: typeof imported): unknown => ({ checkpoints, now });
  assert.deepEqual(tree(imported), tree(original));
  assert.deepEqual(await pointsOf(other, target), points);
  await other.service.apply({ machine, checkpoint: 'two' }, {});
  assert.equal((await pointsOf(other, target))['Now'], points['two']);
  await other.service.delete({ machine, checkpoint: 'one', purge: true }, {});
  assert.deepEqual(await disorderOf(elsewhere), []);
});

test('import where its id is in use → another id and MAC address; both go on by themselves', async (context) => {
  const { engine, place, folder, points } = await copiesLab(context);
  const target = path.join(folder, 'exported');
  await engine.copies.export({ machine, target }, {});
  await assert.rejects(engine.copies.import({ folder: target }, {}), { code: 'NameInUse' });
  const imported = (await engine.copies.import({ folder: target, name: 'second' }, {})).machine;
  const [one, two] = await Promise.all(
    [machine, 'second'].map(async (name) => new MachineFolder((await machineOf(engine, name)).folder).read()),
  );
  assert.notEqual(one?.definition.id, two?.definition.id);
  assert.notEqual(one?.definition.macAddress, two?.definition.macAddress);
  await writeToNow(imported, 50, 0, 9000);
  assert.deepEqual(await pointsOf(engine, folder), points);
  assert.deepEqual(await disorderOf(place), []);
});

test('a clone exported → stands alone; the clone itself still hangs from its source', async (context) => {
  const { engine, folder, points } = await copiesLab(context);
  const { copies, service } = engine;
  await copies.clone({ machine, checkpoint: 'two', name: 'twin' }, {});
  const target = path.join(folder, 'exported');
  await copies.export({ machine: 'twin', target }, {});
  await assert.rejects(service.removeMachine({ machine }), { code: 'HasClones' });
  await service.removeMachine({ machine: 'twin' });
  await service.removeMachine({ machine });
  await copies.import({ folder: target }, {});
  assert.deepEqual(await pointsOf(engine, target, 'twin'), { Now: points['two'] });
});

for (const to of ['qcow2', 'vhdx', 'raw'] as const) {
  test(`export of a checkpoint's disks as ${to} → one image with its content`, async (context) => {
    const { engine, folder, points } = await copiesLab(context);
    const target = path.join(folder, 'exported');
    const { files } = await engine.copies.export({ machine, target, checkpoint: 'two', to }, {});
    assert.deepEqual(files, [`disk0.${to}`]);
    assert.deepEqual((await readdir(target)).sort(), [`disk0.${to}`, 'export.json', 'firmware', 'machine.json']);
    const again = path.join(folder, 'again.qcow2');
    await engine.disks.diskConvert(
      { file: path.join(target, `disk0.${to}`), from: to, target: again, to: 'qcow2' },
      {},
    );
    assert.equal(await contentHash(again), points['two']);
    const { isSame } = await compare(path.join(target, `disk0.${to}`), again, { formatOfA: to });
    assert.ok(isSame);
  });
}

test('a target that is there → refused, and nothing is changed; cancelled → nothing is left', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const target = path.join(folder, 'exported');
  await mkdir(target);
  await assert.rejects(engine.copies.export({ machine, target }, {}), { code: 'NameInUse' });
  assert.deepEqual(await readdir(target), []);
  await rm(target, { recursive: true });
  const before = (await readdir(folder)).sort();
  const cancel = new AbortController();
  const call = { signal: cancel.signal, report: () => cancel.abort() };
  await assert.rejects(engine.copies.export({ machine, target }, call), { name: 'AbortError' });
  assert.deepEqual((await readdir(folder)).sort(), before);
});

/** What a folder from elsewhere may do to get at other files, or to break the engine. */
const hostile: readonly [what: string, harm: (folder: string, secret: string) => Promise<void>][] = [
  [
    'a layer that is a link',
    async (folder, secret) => {
      const layer = await someLayer(folder);
      await rm(layer, { force: true });
      await symlink(secret, layer);
    },
  ],
  [
    'a folder of layers that is a link',
    async (folder) => {
      await rename(path.join(folder, 'layers'), path.join(folder, '..', 'layers elsewhere'));
      await symlink(path.join(folder, '..', 'layers elsewhere'), path.join(folder, 'layers'));
    },
  ],
  [
    'a layer whose parent lies elsewhere',
    async (folder, secret) => {
      const { now } = await new MachineFolder(folder).read();
      const active = path.join(folder, now.activeLayers['disk0'] ?? '');
      await rm(active, { force: true });
      await create(active, { format: 'qcow2', parent: { file: secret } });
    },
  ],
  [
    'a disk that stands on a file elsewhere',
    (folder, secret) =>
      edit(folder, 'machine.json', (text) =>
        text.replace(
          /"virtualSizeBytes"/,
          `"externalBase": {"path": ${JSON.stringify(secret)}, "format": "qcow2", "sizeBytes": 1, "modifiedMs": 1}, "virtualSizeBytes"`,
        ),
      ),
  ],
  [
    'a disk at a place elsewhere',
    (folder, secret) =>
      edit(folder, 'machine.json', (text) =>
        text.replace(/"virtualSizeBytes"/, `"place": ${JSON.stringify(secret)}, "virtualSizeBytes"`),
      ),
  ],
  [
    'a layer outside of the folder',
    (folder) => edit(folder, 'now.json', (text) => text.replace('layers/', '../layers/')),
  ],
  [
    'a layer that is a record',
    (folder) => edit(folder, 'now.json', (text) => text.replace(/layers\/[^"]*/, 'machine.json')),
  ],
  [
    'a layer too many',
    (folder) => edit(folder, 'now.json', (text) => text.replace('"disk0"', '"disk7": "layers/x.qcow2", "disk0"')),
  ],
  [
    'a kernel that is a record',
    (folder) =>
      edit(folder, 'machine.json', (text) =>
        text.replace('"disks"', '"directBoot": {"kernel": "now.json", "commandLine": ""}, "disks"'),
      ),
  ],
  [
    'a field that nobody knows',
    (folder) => edit(folder, 'machine.json', (text) => text.replace('"disks"', '"run": "rm", "disks"')),
  ],
  ['no JSON', (folder) => writeFile(path.join(folder, 'machine.json'), 'no')],
  ['a layer that is missing', async (folder) => rm(await someLayer(folder), { force: true })],
  [
    'a layer that is no image',
    async (folder) => {
      const layer = await someLayer(folder);
      await rm(layer, { force: true });
      await writeFile(layer, 'x'.repeat(100_000));
    },
  ],
  [
    'a checkpoint that is its own ancestor',
    async (folder) => {
      for (const file of await readdir(path.join(folder, 'checkpoints'))) {
        await edit(folder, `checkpoints/${file}`, (text) =>
          text
            .replace(/"parent": "[^"]*",/, '')
            .replace('"name"', `"parent": "${path.basename(file, '.json')}", "name"`),
        );
      }
    },
  ],
  [
    'a host that it has no place on',
    (folder) => edit(folder, 'machine.json', (text) => text.replace('"host": "qemu"', '"host": "disks"')),
  ],
];

for (const [what, harm] of hostile) {
  test(`import of ${what} → refused, and nothing is left of it`, async (context) => {
    const { engine, place, folder, points } = await copiesLab(context);
    const target = path.join(folder, 'from elsewhere', 'exported');
    await engine.copies.export({ machine, target }, {});
    const secret = path.join(folder, 'secret.qcow2');
    await cp(place.image, secret);
    await harm(target, secret);
    await assert.rejects(engine.copies.import({ folder: target, name: 'bad' }, {}), (error: unknown) => {
      assert.ok(error instanceof Error && error.name === 'CheckpointError', String(error));
      return true;
    });
    const { hosts } = await engine.service.list();
    assert.deepEqual(
      hosts.flatMap(({ machines }) => machines.map(({ name }) => name)),
      [machine],
    );
    assert.deepEqual(await pointsOf(engine, folder), points);
    assert.deepEqual(await disorderOf(place), []);
  });
}

test('import of a machine that is here → refused: it is cloned', async (context) => {
  const { engine } = await copiesLab(context);
  const { folder } = await machineOf(engine);
  await assert.rejects(engine.copies.import({ folder, name: 'second' }, {}), {
    code: 'InvalidArgument',
    message: /clone/,
  });
});

test('import, whatever call is the last one, or fails → the machine is there whole, or not at all', async (context) => {
  findQemuOnce();
  const { engine, place, folder } = await copiesLab(context);
  const target = path.join(folder, 'exported');
  await engine.copies.export({ machine, target }, {});
  const ids = new Set((await machineOf(engine)).checkpoints.map(({ id }) => id));
  const importing = ({ copies }: typeof engine): Promise<unknown> =>
    copies.import({ folder: target, name: 'second' }, {});
  const trial = await Trial.of('import', importing, place, ids);
  for (let call = 1; call <= trial.calls; call++) {
    for (const kind of faultKinds.filter((one) => (call + one.length) % 3 === 0)) {
      await trial.try({ call, kind });
    }
  }
  context.diagnostic(`${trial.calls} calls; ${sumOf(trial.singles)} faults tried`);
  assert.deepEqual(trial.findings, []);
});

async function edit(folder: string, record: string, change: (text: string) => string): Promise<void> {
  const file = path.join(folder, record);
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  assert.notEqual(changed, text);
  await writeFile(file, changed);
}

async function someLayer(folder: string): Promise<string> {
  const { checkpoints } = await new MachineFolder(folder).read();
  return path.join(folder, checkpoints[0]?.layers['disk0'] ?? '');
}
