import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { runCkpt } from '../../../support/ckpt.ts';
import { engineFile, runProgram } from '../../../support/project.ts';
import { folderOf, folderOfSuite } from '../temporary-folder.ts';

const home = folderOfSuite();
const refusal = z.object({
  error: z.object({ code: z.string(), message: z.string(), data: z.record(z.string(), z.unknown()) }),
});
const info = z.object({
  format: z.string(),
  virtualSizeBytes: z.number(),
  parent: z.object({ paths: z.array(z.string()) }).optional(),
});
const chain = z.object({ layers: z.array(z.object({ file: z.string() })) });
const map = z.object({
  extents: z.array(z.object({ offset: z.number(), length: z.number(), state: z.string() })),
  nextOffset: z.number().optional(),
});
const compared = z.object({
  isSame: z.boolean(),
  differingBytes: z.number(),
  ranges: z.array(z.object({ offset: z.number(), length: z.number() })),
});
const merged = z.object({ into: z.string(), obsolete: z.array(z.string()) });
const served = z.object({ uri: z.string() });

/** `ckpt disk … --json`: the one object that it printed. */
async function disk<S extends z.ZodType>(schema: S, ...args: string[]): Promise<z.output<S>> {
  const { code, stdout, stderr } = await runCkpt(home, ['disk', ...args, '--json']);
  assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  return schema.parse(JSON.parse(stdout));
}

async function refused(...args: string[]): Promise<{ code: string; data: Record<string, unknown> }> {
  const { code, stdout } = await runCkpt(home, ['disk', ...args, '--json']);
  assert.equal(code, 1, stdout);
  return refusal.parse(JSON.parse(stdout)).error;
}

const mebibyte = 2 ** 20;

for (const format of ['vhd', 'vhdx', 'qcow2']) {
  test(`${format}: create → layer on it → write through NBD → chain, map, compare → merge → convert`, async (context) => {
    const folder = await folderOf(context);
    const base = path.join(folder, `base.${format}`);
    const child = path.join(folder, `child.${format}`);
    assert.equal((await disk(info, 'create', '--to', format, '--size', '64M', base)).virtualSizeBytes, 64 * mebibyte);
    const made = await disk(info, 'create', '--to', format, '--parent', base, child);
    assert.equal(made.virtualSizeBytes, 64 * mebibyte);
    assert.ok(made.parent !== undefined);
    assert.deepEqual(
      (await disk(chain, 'chain', child)).layers.map((layer) => layer.file),
      [child, base],
    );
    assert.equal((await disk(compared, 'compare', base, child)).isSame, true);

    await servingWritable(child, path.join(folder, 'nbd'), async (uri) => {
      await runProgram('qemu-io', ['-f', 'raw', '-c', `write -P 7 ${mebibyte} ${mebibyte}`, uri]);
    });
    const differing = await disk(compared, 'compare', base, child);
    assert.deepEqual([differing.isSame, differing.differingBytes], [false, mebibyte]);
    assert.deepEqual(differing.ranges, [{ offset: mebibyte, length: mebibyte }]);
    const { extents } = await disk(map, 'map', child);
    const data = extents.filter((extent) => extent.state === 'data');
    assert.ok(data.some((extent) => extent.offset <= mebibyte && extent.offset + extent.length >= 2 * mebibyte));
    const page = await disk(map, 'map', child, '--limit', '1');
    assert.deepEqual(page.nextOffset, (extents[0]?.length ?? 0) === 64 * mebibyte ? undefined : extents[0]?.length);

    const result = await disk(merged, 'merge', child);
    assert.equal(result.into, base);
    assert.deepEqual(result.obsolete, [child]);
    assert.equal((await disk(compared, 'compare', base, child)).isSame, true);
    const raw = path.join(folder, 'flat.raw');
    await disk(z.object({ files: z.array(z.string()) }), 'convert', child, raw, '--to', 'raw', '--flatten');
    const content = await readFile(raw);
    assert.equal(content.length, 64 * mebibyte);
    assert.ok(content.subarray(mebibyte, 2 * mebibyte).every((byte) => byte === 7));
    assert.ok(
      content.subarray(0, mebibyte).every((byte) => byte === 0) &&
        content.subarray(2 * mebibyte).every((byte) => byte === 0),
    );
  });

  test(`${format}: a parent that moved → not found → rebase → opened where its folder is allowed; another disk → ParentMismatch`, async (context) => {
    const folder = await folderOf(context);
    const base = path.join(folder, `base.${format}`);
    const child = path.join(folder, `child.${format}`);
    await disk(info, 'create', '--to', format, '--size', '8M', base);
    await disk(info, 'create', '--to', format, '--parent', base, child);
    const elsewhere = await folderOf(context);
    const moved = path.join(elsewhere, `moved.${format}`);
    await rename(base, moved);
    assert.equal((await refused('chain', child)).code, 'DiskNotFound');
    await disk(info, 'rebase', child, '--parent', moved);
    assert.equal((await refused('chain', child)).code, 'ParentNotAllowed');
    assert.equal((await disk(chain, 'chain', child, '--allow-parents', elsewhere)).layers.length, 2);
    // Nothing distinguishes one qcow2 file from another but what it is: there it is the format that differs.
    const otherFormat = format === 'qcow2' ? 'vhdx' : format;
    const other = path.join(folder, `other.${otherFormat}`);
    await disk(info, 'create', '--to', otherFormat, '--size', '8M', other);
    assert.equal((await refused('rebase', child, '--parent', other)).code, 'ParentMismatch');
  });
}

test('a raw disk is opened only when told; a target that exists is not overwritten; usage errors exit with 2', async (context) => {
  const folder = await folderOf(context);
  const raw = path.join(folder, 'disk.raw');
  await writeFile(raw, Buffer.alloc(mebibyte, 5));
  assert.equal((await refused('info', raw)).code, 'NotADiskImage');
  assert.equal((await disk(info, 'info', raw, '--from', 'raw')).format, 'raw');
  const target = path.join(folder, 'disk.qcow2');
  await disk(z.object({}), 'convert', raw, target, '--from', 'raw', '--to', 'qcow2');
  const before = await readFile(target);
  assert.equal((await refused('convert', raw, target, '--from', 'raw', '--to', 'vhdx')).code, 'NameInUse');
  assert.deepEqual(await readFile(target), before);
  assert.equal((await disk(info, 'resize', target, '2M')).virtualSizeBytes, 2 * mebibyte);
  await disk(z.object({ allocatedBytes: z.object({ after: z.number() }) }), 'compact', target);
  assert.deepEqual(await disk(z.object({ faults: z.array(z.unknown()), isSound: z.boolean() }), 'check', target), {
    faults: [],
    isSound: true,
  });
  for (const args of [
    ['create', raw],
    ['resize', target, 'big'],
    ['create', '--to', 'floppy', raw],
    ['serve', target],
  ]) {
    assert.equal((await runCkpt(home, ['disk', ...args, '--json'])).code, 2, args.join(' '));
  }
});

/** Serves a disk for the time of `use`; the server has to end by itself when it is interrupted. */
async function servingWritable(file: string, socketFolder: string, use: (uri: string) => Promise<void>): Promise<void> {
  await mkdir(socketFolder, { mode: 0o700 });
  const socket = path.join(socketFolder, 's');
  const child = spawn(process.execPath, [engineFile, 'disk', 'serve', file, '--socket', socket, '--json'], {
    env: { ...process.env, VM_CHECKPOINTS_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const line = new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('exit', () => reject(new Error('it ended at once')));
  });
  const { uri } = served.parse(JSON.parse(await line));
  assert.equal((await stat(socket)).mode & 0o077, 0);
  try {
    await use(uri);
  } finally {
    child.kill('SIGTERM');
  }
  assert.deepEqual(await exited, [0, null]);
}

test('convert --stream-optimized: a compressed vmdk, which names itself; only a vmdk can be that', async (context) => {
  const folder = await folderOf(context);
  const raw = path.join(folder, 'disk.raw');
  const vmdk = path.join(folder, 'disk.vmdk');
  const content = Buffer.concat([Buffer.alloc(mebibyte, 'text'), Buffer.alloc(3 * mebibyte)]);
  await writeFile(raw, content);
  const files = z.object({ files: z.array(z.string()) });
  await disk(files, 'convert', raw, vmdk, '--from', 'raw', '--to', 'vmdk', '--stream-optimized');
  const made = await readFile(vmdk);
  assert.match(made.toString('latin1'), /createType="streamOptimized"[^]*RW 8192 SPARSE "disk\.vmdk"/);
  assert.ok(made.length < content.length / 4);
  const back = path.join(folder, 'back.raw');
  await runProgram('qemu-img', ['convert', '-f', 'vmdk', '-O', 'raw', vmdk, back]);
  assert.ok((await readFile(back)).equals(content));
  const other = path.join(folder, 'disk.qcow2');
  const error = await refused('convert', raw, other, '--from', 'raw', '--to', 'qcow2', '--stream-optimized');
  assert.equal(error.code, 'InvalidArgument');
});

test('check --repair of a vmdk: mended from the redundant tables; what has none is named, with exit code 1', async (context) => {
  const folder = await folderOf(context);
  const raw = path.join(folder, 'disk.raw');
  await writeFile(raw, Buffer.alloc(mebibyte, 'text'));
  const checked = z.object({ faults: z.array(z.object({ isRepaired: z.boolean() })), isSound: z.boolean() });
  for (const options of [[], ['--stream-optimized']]) {
    const vmdk = path.join(folder, `disk${options.length}.vmdk`);
    await disk(z.unknown(), 'convert', raw, vmdk, '--from', 'raw', '--to', 'vmdk', ...options);
    const image = await readFile(vmdk);
    const header = options.length === 0 ? 0 : image.length - 1024;
    const directory = Number(image.readBigUInt64LE(header + 56)) * 512;
    image.writeUInt32LE(0xfffffff0, directory);
    await writeFile(vmdk, image);
    const { code, stdout } = await runCkpt(home, ['disk', 'check', '--repair', vmdk, '--json']);
    const isMended = options.length === 0;
    assert.deepEqual([code, checked.parse(JSON.parse(stdout)).isSound], isMended ? [0, true] : [1, false], stdout);
    assert.equal(/cannot be mended/.test(stdout), !isMended);
  }
});

test('snapshots inside a qcow2: listed by info; read by map, compare, convert and serve with --snapshot', async (context) => {
  const folder = await folderOf(context);
  const image = path.join(folder, 'image.qcow2');
  const qemu = (pattern: number): Promise<unknown> =>
    runProgram('qemu-io', ['-f', 'qcow2', '-c', `write -P ${pattern} 0 1M`, image]);
  await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', image, '8M']);
  await qemu(1);
  await runProgram('qemu-img', ['snapshot', '-c', 'before', image]);
  await qemu(2);
  const listed = z.object({ snapshots: z.array(z.object({ id: z.string(), name: z.string() })) });
  const { snapshots } = await disk(listed, 'info', image);
  assert.deepEqual(
    snapshots.map(({ name }) => name),
    ['before'],
  );
  const [before, now] = [path.join(folder, 'before.raw'), path.join(folder, 'now.raw')];
  await disk(z.object({}), 'convert', image, before, '--to', 'raw', '--snapshot', 'before');
  await disk(z.object({}), 'convert', image, now, '--to', 'raw');
  assert.deepEqual([(await readFile(before))[0], (await readFile(now))[0]], [1, 2]);
  assert.deepEqual((await disk(compared, 'compare', image, image, '--snapshot', snapshots[0]?.id ?? '')).ranges, [
    { offset: 0, length: mebibyte },
  ]);
  assert.equal((await disk(compared, 'compare', image, before, '--to', 'raw', '--snapshot', 'before')).isSame, true);
  assert.equal((await disk(map, 'map', image, '--snapshot', 'before')).extents[0]?.state, 'data');
  assert.equal((await refused('map', image, '--snapshot', 'never')).code, 'CheckpointNotFound');
  assert.equal((await refused('map', before, '--from', 'raw', '--snapshot', 'before')).code, 'UnsupportedDisk');
});
