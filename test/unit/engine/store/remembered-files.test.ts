import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { copyFile, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ChainReader, type ChainLayer } from '../../../../engine/store/layer-chain.ts';
import { mayChangeUnseen } from '../../../../engine/store/clock-step.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { RememberedFiles, type FileStamp } from '../../../../engine/store/remembered-files.ts';
import { checkpoint, definition } from '../builders.ts';
import { makeImage, mebibyte } from '../disks/made-images.ts';
import { folderOf } from '../temporary-folder.ts';

const longAgo: FileStamp = { dev: 1, ino: 2, size: 3, mtimeMs: 1_000_000, ctimeMs: 1_000_000 };

/** Until a change of the file would show in its times. */
async function untilSettled(file: string): Promise<void> {
  while (mayChangeUnseen(file, statSync(file).ctimeMs)) {
    await turn();
  }
}

/** What somebody does to a file behind our back, each so that its size stays. */
const changes: { name: string; change: (file: string, content: Buffer) => Promise<void> }[] = [
  { name: 'written to in place', change: (file, content) => writeFile(file, content) },
  {
    name: 'replaced by another file',
    async change(file, content) {
      await writeFile(`${file}.other`, content);
      await rename(`${file}.other`, file);
    },
  },
  {
    name: 'written to, and its time set back',
    async change(file, content) {
      const { atime, mtime } = await stat(file);
      await writeFile(file, content);
      await utimes(file, atime, mtime);
    },
  },
  {
    name: 'replaced by a copy that was given its time',
    async change(file, content) {
      const { atime, mtime } = await stat(file);
      await copyFile(file, `${file}.copy`);
      await writeFile(`${file}.copy`, content);
      await utimes(`${file}.copy`, atime, mtime);
      await rename(`${file}.copy`, file);
    },
  },
];

test('what was made of a file counts while inode, size and both times are the same', () => {
  const files = new RememberedFiles<string>(100);
  files.remember('a', longAgo, 'made of a', 10);
  assert.equal(files.get('a', longAgo), 'made of a');
  for (const [field, value] of Object.entries(longAgo)) {
    files.remember('a', longAgo, 'made of a', 10);
    assert.equal(files.get('a', { ...longAgo, [field]: value + 1 }), undefined, field);
    assert.equal(files.get('a', longAgo), undefined, 'is forgotten');
  }
});

test('a file that was changed only just now → only whoever read it believes what it read', async (context) => {
  const file = path.join(await folderOf(context), 'new');
  await writeFile(file, 'x');
  const { dev, ino, size, mtimeMs } = statSync(file);
  const found = { dev, ino, size, mtimeMs, ctimeMs: Date.now() + 60_000 };
  const [files, reader] = [new RememberedFiles<string>(100), {}];
  files.remember(file, found, 'made', 1);
  assert.equal(files.get(file, found), undefined);
  files.remember(file, found, 'made', 1, { reader });
  assert.equal(files.get(file, found), undefined);
  assert.equal(files.get(file, found, {}), undefined);
  assert.equal(files.get(file, found, reader), 'made');
});

test('a file that was changed only just now → for others it counts when it says the same', async (context) => {
  const file = path.join(await folderOf(context), 'new');
  await writeFile(file, 'x');
  const { dev, ino, size, mtimeMs } = statSync(file);
  const found = { dev, ino, size, mtimeMs, ctimeMs: Date.now() + 60_000 };
  const files = new RememberedFiles<string>(100);
  files.remember(file, found, 'made of x', 1, { text: 'x' });
  assert.equal(files.get(file, found), undefined);
  assert.equal(files.getSaying(file, 'x'), 'made of x');
  assert.equal(files.getSaying(file, 'y'), undefined);
  files.remember(file, longAgo, 'made of x', 1, { text: 'x' });
  assert.equal(files.get(file, longAgo), 'made of x');
  assert.equal(files.getSaying(file, 'x'), undefined, 'its times tell');
});

test('what a file is about to say counts once it says that', () => {
  const files = new RememberedFiles<string>(100);
  files.remember('a', longAgo, 'old', 10);
  files.expect('a', 'anew', 'new');
  assert.equal(files.get('a', longAgo), undefined);
  assert.equal(files.getSaying('a', 'old'), undefined);
  assert.equal(files.getSaying('a', 'anew'), 'new');
});

test('it holds no more than it may; what was not asked for the longest goes first', () => {
  const files = new RememberedFiles<string>(100);
  for (const name of ['a', 'b', 'c']) {
    files.remember(name, longAgo, name, 30);
  }
  assert.equal(files.get('a', longAgo), 'a');
  files.remember('d', longAgo, 'd', 30);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((name) => files.get(name, longAgo)),
    ['a', undefined, 'c', 'd'],
  );
  files.remember('e', longAgo, 'e', 101);
  assert.equal(files.get('e', longAgo), undefined);
  assert.equal(files.sizeBytes, 90);
});

/** A machine with one checkpoint whose manifest was read. */
async function readMachine(context: TestContext): Promise<{ folder: MachineFolder; manifest: string }> {
  const folder = new MachineFolder(path.join(await folderOf(context), 'lab'));
  await folder.create();
  await folder.writeDefinition(definition());
  await folder.writeCheckpoint(checkpoint('0000000a', { name: 'before' }));
  await folder.writeNow({ parent: '0000000a', activeLayers: { disk0: 'layers/disk0-now.qcow2' } });
  const manifest = path.join(folder.path, 'checkpoints', '0000000a.json');
  await untilSettled(manifest);
  await folder.read();
  return { folder, manifest };
}

test('a record that nobody touched is not read again, by whichever engine part', async (context) => {
  const { folder } = await readMachine(context);
  const [[one], [other]] = [
    (await folder.read()).checkpoints,
    (await new MachineFolder(folder.path).read()).checkpoints,
  ];
  assert.ok(one !== undefined && one.layers === other?.layers);
});

test('under the lock a record is not read again even when it was written only just now', async (context) => {
  const { folder } = await readMachine(context);
  folder.lockIsHad();
  await folder.writeCheckpoint(checkpoint('0000000b', { parent: '0000000a' }));
  const layersOf = async (): Promise<unknown> =>
    (await folder.read()).checkpoints.find(({ id }) => id === '0000000b')?.layers;
  const first = await layersOf();
  assert.ok(first !== undefined && first === (await layersOf()));
  await folder.writeCheckpoint(checkpoint('0000000b', { parent: '0000000a', name: 'anew' }));
  const names = (await folder.read()).checkpoints.map(({ name }) => name);
  assert.ok(names.includes('anew'));
});

test('a record that was written is not taken apart when it is read; another one that took its place is', async (context) => {
  const { folder, manifest } = await readMachine(context);
  const written = checkpoint('0000000a', { name: 'before' });
  const found = async (): Promise<{ name: string; layers: unknown } | undefined> =>
    (await folder.read()).checkpoints[0];
  await folder.writeCheckpoint(written);
  assert.equal((await found())?.layers, written.layers);
  await folder.writeCheckpoint(written);
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('before', 'AFTER!'));
  assert.equal((await found())?.name, 'AFTER!');
});

for (const { name, change } of changes) {
  test(`a record was ${name} → what it says now is read`, async (context) => {
    const { folder, manifest } = await readMachine(context);
    const text = await readFile(manifest, 'utf8');
    await change(manifest, Buffer.from(text.replace('before', 'AFTER!')));
    assert.equal((await folder.read()).checkpoints[0]?.name, 'AFTER!');
  });
}

test('a record was damaged → that is told, and goes on being told', async (context) => {
  const { folder, manifest } = await readMachine(context);
  const { size } = await stat(manifest);
  await writeFile(manifest, Buffer.alloc(size, '?'));
  await assert.rejects(folder.read(), { code: 'MachineDamaged' });
  await assert.rejects(folder.read(), { code: 'MachineDamaged' });
});

/** Two layers, and a reader of their chain as each operation makes one. */
async function layersIn(context: TestContext): Promise<{ base: string; read: () => Promise<ChainLayer[]> }> {
  const folder = path.join(await folderOf(context), 'layers');
  await new MachineFolder(path.dirname(folder)).create();
  const base = await makeImage(folder, 'base', 'qcow2');
  const top = await makeImage(folder, 'top', 'qcow2', { backing: { file: 'base', format: 'qcow2' } });
  const disk = { id: 'disk0', virtualSizeBytes: mebibyte };
  const files = new LayerFiles(new MachineFolder(path.dirname(folder)), definition({ disks: [disk] }), {});
  await untilSettled(base);
  await untilSettled(top);
  return { base, read: () => new ChainReader(files).chainOf(disk, 'layers/top') };
}

test('a layer that nobody touched is not opened again', async (context) => {
  const { read } = await layersIn(context);
  const [first, second] = [await read(), await read()];
  assert.ok(first.length === 2 && first.every(({ header }, at) => header === second[at]?.header));
});

for (const { name, change } of changes) {
  test(`a layer's header was ${name} → it is read anew, and refused`, async (context) => {
    const { base, read } = await layersIn(context);
    await read();
    const content = await readFile(base);
    // Version 9 of the format.
    content.writeUInt32BE(9, 4);
    await change(base, content);
    await assert.rejects(read(), { code: 'UnsupportedDisk' });
  });
}
