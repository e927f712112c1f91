import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { createEngine, type Engine } from '../../../../engine/engine.ts';
import { Home } from '../../../../engine/store/home.ts';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const mebibyte = 2 ** 20;

interface Bench {
  engine: Engine;
  /** The folder that another program has its disks in. */
  folder: string;
}

async function bench(context: TestContext): Promise<Bench> {
  const folder = await folderOf(context);
  return { engine: createEngine('test', new Home(path.join(folder, 'home'))), folder };
}

async function write(file: string, byte: number): Promise<void> {
  const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
  await chain.top.write(Buffer.alloc(4096, byte), 0);
  await chain.close();
}

async function firstByte(file: string): Promise<number | undefined> {
  const chain = await openChain(file);
  const content = Buffer.alloc(1);
  await chain.top.read(content, 0);
  await chain.close();
  return content[0];
}

for (const format of ['qcow2', 'vhdx', 'vhd'] as const) {
  test(`${format}: take, write, revert, undo, delete for good → the path stays, and one file is left`, async (context) => {
    const { engine, folder } = await bench(context);
    const disk = path.join(folder, `Windows 11, “neu”.${format}`);
    await create(disk, { format, virtualSizeBytes: 8 * mebibyte });
    await write(disk, 1);
    await chmod(disk, 0o664);
    const added = await engine.service.addMachine({ name: 'box', host: 'disks', disk }, {});
    assert.equal(added.machine.host, 'disks');
    assert.equal(added.machine.disks[0]?.activeLayer, disk);
    await engine.service.take({ machine: 'box', name: 'clean' }, {});
    assert.equal((await stat(disk)).mode & 0o777, 0o664, 'whoever could write to it still can');
    await write(disk, 2);
    await engine.service.revert({ machine: 'box' }, {});
    assert.equal(await firstByte(disk), 1);
    await engine.service.undo({ machine: 'box' }, {});
    assert.equal(await firstByte(disk), 2);
    await engine.service.redo({ machine: 'box' }, {});
    assert.equal(await firstByte(disk), 1);
    await engine.service.delete({ machine: 'box', checkpoint: 'clean', subtree: true, purge: true }, {});
    assert.equal(await firstByte(disk), 1);
    const left = (await readdir(folder)).filter((name) => name.endsWith(format));
    assert.deepEqual(left, [path.basename(disk)]);
  });
}

test('qcow2 that QEMU reads and writes at its path, before and after', async (context) => {
  const { engine, folder } = await bench(context);
  const disk = path.join(folder, 'disk.qcow2');
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '8M']);
  await engine.service.addMachine({ name: 'box', host: 'disks', disk }, {});
  await runProgram('qemu-io', ['-c', 'write -P 7 0 1M', disk]);
  await engine.service.take({ machine: 'box', name: 'clean' }, {});
  await runProgram('qemu-io', ['-c', 'read -P 7 0 1M', '-c', 'write -P 8 0 1M', disk]);
  await engine.service.take({ machine: 'box', name: 'dirty' }, {});
  await engine.service.apply({ machine: 'box', checkpoint: 'clean' }, {});
  await runProgram('qemu-io', ['-c', 'read -P 7 0 1M', disk]);
  await runProgram('qemu-img', ['check', '-q', disk]);
});

test('a program has the disk open → DiskInUse, naming it; nothing has changed', async (context) => {
  const { engine, folder } = await bench(context);
  const disk = path.join(folder, 'disk.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: 8 * mebibyte });
  await engine.service.addMachine({ name: 'box', host: 'disks', disk }, {});
  const user = spawn('qemu-io', ['-r', disk], { stdio: ['pipe', 'pipe', 'ignore'] });
  context.after(() => user.kill());
  await once(user.stdout, 'data');
  const before = await readdir(folder);
  await assert.rejects(engine.service.take({ machine: 'box', name: 'x' }, {}), {
    code: 'DiskInUse',
    message: /qemu-io \(process \d+\)/,
  });
  assert.deepEqual(await readdir(folder), before);
  user.stdin.end('quit\n');
  await once(user, 'exit');
  await engine.service.take({ machine: 'box', name: 'x' }, {});
});

test('raw under a qcow2 layer: the raw disk is never written, and refused once somebody else wrote to it', async (context) => {
  const { engine, folder } = await bench(context);
  const raw = path.join(folder, 'base.raw');
  const disk = path.join(folder, 'disk.qcow2');
  await writeFile(raw, Buffer.alloc(mebibyte, 5));
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'base.raw', disk]);
  await engine.service.addMachine({ name: 'box', host: 'disks', disk }, {});
  await engine.service.take({ machine: 'box', name: 'clean' }, {});
  await write(disk, 6);
  await engine.service.revert({ machine: 'box' }, {});
  assert.equal(await firstByte(disk), 5);
  await engine.service.delete({ machine: 'box', checkpoint: 'clean', subtree: true, purge: true }, {});
  assert.equal(await firstByte(disk), 5);
  assert.ok((await readFile(raw)).equals(Buffer.alloc(mebibyte, 5)));
  await writeFile(raw, Buffer.alloc(mebibyte, 9));
  await assert.rejects(engine.service.take({ machine: 'box', name: 'late' }, {}), { code: 'ParentMismatch' });
});

test('several disks: all of them at once; one that another machine has, or twice, or of a kind without layers → refused', async (context) => {
  const { engine, folder } = await bench(context);
  const [one, two] = [path.join(folder, 'one.vhdx'), path.join(folder, 'two.qcow2')];
  await create(one, { format: 'vhdx', virtualSizeBytes: 8 * mebibyte });
  await create(two, { format: 'qcow2', virtualSizeBytes: 8 * mebibyte });
  await engine.service.addMachine({ name: 'box', host: 'disks', disk: one, moreDisks: [two] }, {});
  await write(one, 1);
  await write(two, 1);
  await engine.service.take({ machine: 'box', name: 'both' }, {});
  await write(one, 2);
  await write(two, 2);
  await engine.service.revert({ machine: 'box' }, {});
  assert.deepEqual([await firstByte(one), await firstByte(two)], [1, 1]);
  const add = (name: string, disk: string, moreDisks: string[] = []): Promise<unknown> =>
    engine.service.addMachine({ name, host: 'disks', disk, moreDisks }, {});
  await assert.rejects(add('other', two), { code: 'NameInUse', message: /belongs to machine “box”/ });
  const three = path.join(folder, 'three.qcow2');
  await create(three, { format: 'qcow2', virtualSizeBytes: mebibyte });
  await assert.rejects(add('other', three, [three]), { code: 'InvalidArgument' });
  const vmdk = path.join(folder, 'four.vmdk');
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', vmdk, '4M']);
  await assert.rejects(add('other', vmdk), { code: 'UnsupportedDisk', message: /Convert it first/ });
  await assert.rejects(engine.service.start({ machine: 'box' }, {}), { code: 'NotSupported' });
});
