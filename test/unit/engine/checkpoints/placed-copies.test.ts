import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { createEngine, type Engine } from '../../../../engine/engine.ts';
import { Home } from '../../../../engine/store/home.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { contentHash } from '../../../support/faults/home-state.ts';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const mebibyte = 2 ** 20;

async function write(file: string, byte: number, allowParents: string[] = []): Promise<void> {
  const chain = await openChain(file, { allowParents, access: (depth) => (depth === 0 ? 'write' : 'read') });
  await chain.top.write(Buffer.alloc(70_000, byte), byte * 30_000);
  await chain.top.flush();
  await chain.close();
}

/** SHA-256 of each disk of each point of a machine, by the point's name. */
async function pointsOf(engine: Engine, name: string, allowed: string): Promise<Record<string, string[]>> {
  const { machine } = await engine.service.show({ machine: name });
  const folder = new MachineFolder(machine.folder);
  const { definition, now, checkpoints } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const points: Record<string, string[]> = {};
  for (const { name: point, layers } of [...checkpoints, { name: 'Now', layers: now.activeLayers }]) {
    points[point] = await Promise.all(
      files.disks.map((disk) => contentHash(files.fileOf(disk, files.layerOf(layers, disk)), [allowed])),
    );
  }
  return points;
}

interface Bench {
  engine: Engine;
  folder: string;
  disks: string[];
  points: Record<string, string[]>;
}

/** A machine of two disks of one file name, with a tree: `one ─┬─ two` and, from `one` too, Now. */
async function bench(context: TestContext, format: 'qcow2' | 'vhdx' | 'vhd'): Promise<Bench> {
  const folder = await folderOf(context);
  const engine = createEngine('test', new Home(path.join(folder, 'home')));
  const disks = ['a', 'b b'].map((inner) => path.join(folder, inner, `Windows “neu”.${format}`));
  for (const [at, disk] of disks.entries()) {
    await mkdir(path.dirname(disk));
    await create(disk, { format, virtualSizeBytes: 4 * mebibyte });
    await write(disk, 10 + at);
  }
  const [disk = '', ...moreDisks] = disks;
  await engine.service.addMachine({ name: 'box', host: 'disks', disk, moreDisks }, {});
  const change = async (tag: number): Promise<void> => {
    for (const [at, file] of disks.entries()) {
      await write(file, tag + at);
    }
  };
  await engine.service.take({ machine: 'box', name: 'one' }, {});
  await change(2);
  await engine.service.take({ machine: 'box', name: 'two' }, {});
  await change(4);
  await engine.service.apply({ machine: 'box', checkpoint: 'one', discardNow: true }, {});
  await change(6);
  return { engine, folder, disks, points: await pointsOf(engine, 'box', folder) };
}

for (const format of ['qcow2', 'vhdx', 'vhd'] as const) {
  test(`${format}: whole export and import → the same contents at each point, in a folder of the user's, apart from the source`, async (context) => {
    const { engine, folder, disks, points } = await bench(context, format);
    assert.equal(new Set(Object.values(points).flat()).size, 6, 'each point has another content');
    const target = path.join(folder, 'exported');
    const { files } = await engine.copies.export({ machine: 'box', target }, {});
    assert.equal(new Set(files).size, 6);
    await rm(path.dirname(disks[0] ?? ''), { recursive: true });
    const place = path.join(folder, 'other program', 'VM');
    const { machine } = await engine.copies.import({ folder: target, name: 'back', disksFolder: place }, {});
    assert.equal(machine.host, 'disks');
    assert.deepEqual(
      machine.disks.map(({ activeLayer }) => activeLayer),
      [`Windows “neu”.${format}`, `disk1-Windows “neu”.${format}`].map((name) => path.join(place, name)),
    );
    await rm(target, { recursive: true });
    assert.deepEqual(await pointsOf(engine, 'back', place), points);
    assert.equal((await readdir(place)).length, 6);
    const { isSound, machines } = await engine.doctor.doctor({ machine: 'back', deep: true }, {});
    assert.ok(isSound, JSON.stringify(machines));
    for (const { activeLayer } of machine.disks) {
      await write(activeLayer, 9);
    }
    await engine.service.apply({ machine: 'back', checkpoint: 'two' }, {});
    const { Now, ...rest } = await pointsOf(engine, 'back', place);
    assert.deepEqual([Now, rest['one']], [points['two'], points['one']]);
    await engine.service.delete({ machine: 'back', checkpoint: 'one', subtree: true, purge: true }, {});
    assert.deepEqual((await pointsOf(engine, 'back', place))['Now'], points['two']);
  });
}

for (const to of ['qcow2', 'vhdx', 'raw'] as const) {
  test(`one exported checkpoint (${to}) → imported: its disks where the user says, with that checkpoint, and Now on it`, async (context) => {
    const { engine, folder, points } = await bench(context, 'qcow2');
    const target = path.join(folder, 'exported');
    const place = path.join(folder, 'other program');
    await engine.copies.export({ machine: 'box', target, checkpoint: 'two', to }, {});
    const params = { folder: target, name: 'made' };
    await assert.rejects(engine.copies.import(params, {}), { code: 'InvalidArgument', message: /--folder DIR/ });
    const { steps } = await engine.plans.plan({ operation: 'import', params: { ...params, disksFolder: place } });
    const { machine } = await engine.copies.import({ ...params, disksFolder: place }, {});
    const layers = machine.disks.map(({ activeLayer }) => activeLayer);
    assert.deepEqual(
      steps.flatMap((step) => (step.kind === 'create' && step.what === 'layer' ? [step.path] : [])),
      layers,
    );
    assert.deepEqual([machine.host, [...new Set(layers.map((file) => path.dirname(file)))]], ['disks', [place]]);
    await rm(target, { recursive: true });
    assert.deepEqual(await pointsOf(engine, 'made', place), { two: points['two'], Now: points['two'] });
    const { isSound, machines } = await engine.doctor.doctor({ machine: 'made', deep: true }, {});
    assert.ok(isSound, JSON.stringify(machines));
    await write(layers[0] ?? '', 9);
    await engine.service.take({ machine: 'made', name: 'next' }, {});
    await engine.service.apply({ machine: 'made', checkpoint: 'two' }, {});
    assert.deepEqual((await pointsOf(engine, 'made', place))['Now'], points['two']);
  });
}

test('export of a disk on a raw image of the user’s → the copy stands alone', async (context) => {
  const folder = await folderOf(context);
  const engine = createEngine('test', new Home(path.join(folder, 'home')));
  const disk = path.join(folder, 'disk.qcow2');
  await writeFile(path.join(folder, 'base.raw'), Buffer.alloc(mebibyte, 5));
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'base.raw', disk]);
  await engine.service.addMachine({ name: 'box', host: 'disks', disk }, {});
  await engine.service.take({ machine: 'box', name: 'clean' }, {});
  await write(disk, 6, [folder]);
  const points = await pointsOf(engine, 'box', folder);
  await engine.copies.export({ machine: 'box', target: path.join(folder, 'exported') }, {});
  await rm(path.join(folder, 'base.raw'));
  const place = path.join(folder, 'VM');
  await engine.copies.import({ folder: path.join(folder, 'exported'), name: 'back', disksFolder: place }, {});
  assert.deepEqual(await pointsOf(engine, 'back', place), points);
});

test('export while a program has a disk open → DiskInUse; import without a folder, into one that is there, or with one for a local machine → refused; nothing is left', async (context) => {
  const { engine, folder, disks } = await bench(context, 'qcow2');
  const target = path.join(folder, 'exported');
  const user = spawn('qemu-io', ['-r', disks[1] ?? ''], { stdio: ['pipe', 'pipe', 'ignore'] });
  context.after(() => user.kill());
  await once(user.stdout, 'data');
  await assert.rejects(engine.copies.export({ machine: 'box', target }, {}), { code: 'DiskInUse' });
  user.stdin.end('quit\n');
  await once(user, 'exit');
  await engine.copies.export({ machine: 'box', target }, {});
  const before = await readdir(folder);
  const back = { folder: target, name: 'back' };
  await assert.rejects(engine.copies.import(back, {}), { code: 'InvalidArgument', message: /--folder DIR/ });
  await assert.rejects(engine.copies.import({ ...back, disksFolder: path.join(folder, 'a') }, {}), {
    code: 'NameInUse',
  });
  const inHome = path.join(folder, 'home', 'machines', 'x');
  await assert.rejects(engine.copies.import({ ...back, disksFolder: inHome }, {}), { code: 'InvalidArgument' });
  assert.deepEqual(await readdir(folder), before);
  const image = path.join(folder, 'image.qcow2');
  await create(image, { format: 'qcow2', virtualSizeBytes: mebibyte });
  await engine.service.createMachine({ name: 'local', disk: image }, {});
  await engine.copies.export({ machine: 'local', target: path.join(folder, 'local') }, {});
  await assert.rejects(
    engine.copies.import({ folder: path.join(folder, 'local'), name: 'x', disksFolder: path.join(folder, 'VM') }, {}),
    { code: 'InvalidArgument', message: /Leave --folder out/ },
  );
});

test('an export whose records lead elsewhere → MachineDamaged, and nothing is made', async (context) => {
  const { engine, folder } = await bench(context, 'qcow2');
  const target = path.join(folder, 'exported');
  await engine.copies.export({ machine: 'box', target }, {});
  const file = path.join(target, 'machine.json');
  const record = await readFile(file, 'utf8');
  const disksFolder = path.join(folder, 'VM');
  for (const place of ['../x.qcow2', '/etc/x.qcow2', '..', 'a\\\\b.qcow2']) {
    await writeFile(file, record.replace('"Windows “neu”.qcow2"', `"${place}"`));
    await assert.rejects(engine.copies.import({ folder: target, name: 'x', disksFolder }, {}), {
      code: 'MachineDamaged',
    });
  }
  await writeFile(file, record);
  const { steps } = await engine.plans.plan({
    operation: 'import',
    params: { folder: target, name: 'back', disksFolder },
  });
  assert.equal(steps.filter((step) => step.kind === 'copy' && path.dirname(step.to) === disksFolder).length, 6);
  assert.ok(!(await readdir(folder)).includes('VM'));
});

for (const format of ['qcow2', 'vhdx', 'vhd'] as const) {
  test(`${format}: full clone of a checkpoint and of Now → one image a disk, apart from the source`, async (context) => {
    const { engine, folder, disks, points } = await bench(context, format);
    const place = path.join(folder, 'VM');
    const other = path.join(folder, 'VM 2');
    const full = { machine: 'box', full: true };
    await engine.copies.clone({ ...full, checkpoint: 'two', name: 'copy', disksFolder: place }, {});
    await engine.copies.clone({ ...full, name: 'copy of Now', disksFolder: other }, {});
    for (const disk of disks) {
      await rm(path.dirname(disk), { recursive: true });
    }
    assert.deepEqual(await pointsOf(engine, 'copy', place), { Now: points['two'] });
    assert.deepEqual(await pointsOf(engine, 'copy of Now', other), { Now: points['Now'] });
    assert.deepEqual(
      (await readdir(place)).sort(),
      [`Windows “neu”.${format}`, `disk1-Windows “neu”.${format}`].sort(),
    );
    await engine.service.take({ machine: 'copy', name: 'again' }, {});
    await engine.service.revert({ machine: 'copy' }, {});
    assert.deepEqual((await pointsOf(engine, 'copy', place))['Now'], points['two']);
  });

  test(`${format}: linked clone → its source's layers stay for it; flattened it needs them no more`, async (context) => {
    const { engine, folder, points } = await bench(context, format);
    const place = path.join(folder, 'VM');
    const { machine } = await engine.copies.clone(
      { machine: 'box', checkpoint: 'two', name: 'linked', disksFolder: place },
      {},
    );
    assert.equal(machine.host, 'disks');
    await engine.service.delete({ machine: 'box', checkpoint: 'one', subtree: true, purge: true }, {});
    assert.deepEqual(await pointsOf(engine, 'linked', folder), { Now: points['two'] });
    assert.deepEqual((await pointsOf(engine, 'box', folder))['Now'], points['Now']);
    await assert.rejects(engine.service.removeMachine({ machine: 'box' }), { code: 'HasClones' });
    await assert.rejects(engine.service.removeMachine({ machine: 'linked' }), {
      code: 'NotSupported',
      message: /ckpt flatten linked/,
    });
    await engine.service.take({ machine: 'linked', name: 'mine' }, {});
    const { isSound, machines } = await engine.doctor.doctor({ deep: true }, {});
    assert.ok(isSound, JSON.stringify(machines));
    await engine.copies.flatten({ machine: 'linked' }, {});
    await engine.service.removeMachine({ machine: 'box' });
    for (const inner of ['a', 'b b']) {
      await rm(path.join(folder, inner), { recursive: true });
    }
    assert.deepEqual(await pointsOf(engine, 'linked', place), { Now: points['two'], mine: points['two'] });
    await engine.service.removeMachine({ machine: 'linked' });
    assert.ok((await readdir(place)).length > 0, 'the disks stay');
  });
}

test('linked clone of Now, planned and made; removed once its disks are gone', async (context) => {
  const { engine, folder, points } = await bench(context, 'qcow2');
  const place = path.join(folder, 'VM');
  const params = { machine: 'box', name: 'linked', disksFolder: place };
  await assert.rejects(engine.copies.clone({ machine: 'box', name: 'linked' }, {}), {
    code: 'InvalidArgument',
    message: /ckpt clone box linked --folder DIR/,
  });
  const { steps } = await engine.plans.plan({ operation: 'clone', params });
  assert.ok(steps.some((step) => step.kind === 'create' && step.what === 'folder' && step.path === place));
  await engine.copies.clone(params, {});
  assert.deepEqual(await pointsOf(engine, 'linked', folder), { Now: points['Now'] });
  await rm(place, { recursive: true });
  await engine.service.removeMachine({ machine: 'linked' });
  await engine.service.removeMachine({ machine: 'box' });
});
