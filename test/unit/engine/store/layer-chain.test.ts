import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { identifyImage } from '../../../../engine/disks/image-format.ts';
import type { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { ChainReader, type ChainLayer, type ExternalBase } from '../../../../engine/store/layer-chain.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { runProgram } from '../../../support/project.ts';
import { definition } from '../builders.ts';
import { makeImage, mebibyte, patch } from '../disks/made-images.ts';
import { folderOf } from '../temporary-folder.ts';

/** A folder of layers beside which other things may lie. */
async function layersIn(context: TestContext): Promise<string> {
  const folder = path.join(await folderOf(context), 'layers');
  await mkdir(folder);
  return folder;
}

/** Follows the chain of a layer, which lies in the folder `layers` of a machine. */
async function resolveChain(
  layer: string,
  folder: string,
  externalBase?: ExternalBase,
): Promise<Pick<ChainLayer, 'file' | 'format'>[]> {
  const disk = { id: 'disk0', virtualSizeBytes: mebibyte, ...(externalBase === undefined ? {} : { externalBase }) };
  const machine = new MachineFolder(path.dirname(folder));
  const files = new LayerFiles(machine, definition({ disks: [disk] }), {});
  const chain = await new ChainReader(files).chainOf(disk, `layers/${path.basename(layer)}`);
  return chain.map(({ file, format }) => ({ file, format }));
}

function layer(folder: string, name: string, parent: string, format: DiskFormat = 'qcow2'): Promise<string> {
  return makeImage(folder, name, 'qcow2', { backing: { file: parent, format } });
}

async function allowed(file: string, told?: 'raw'): Promise<ExternalBase> {
  const { format, sizeBytes, modifiedMs } = await identifyImage(file, told);
  return { path: file, format, sizeBytes, modifiedMs };
}

test('three layers → from the top down to the base', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(folder, 'base', 'qcow2');
  const middle = await layer(folder, 'middle', 'base');
  const top = await layer(folder, 'top', 'middle');
  assert.deepEqual(await resolveChain(top, folder), [
    { file: top, format: 'qcow2' },
    { file: middle, format: 'qcow2' },
    { file: base, format: 'qcow2' },
  ]);
});

for (const format of ['raw', 'vhd', 'vhdx', 'vmdk'] as const) {
  test(`a base in the folder that is ${format} → the chain ends there`, async (context) => {
    const folder = await layersIn(context);
    const base = await makeImage(folder, 'base', format);
    const top = await layer(folder, 'top', 'base', format);
    assert.deepEqual(await resolveChain(top, folder), [
      { file: top, format: 'qcow2' },
      { file: base, format },
    ]);
  });
}

test('the folder is moved whole → the chain is that of the new place', async (context) => {
  const folder = await layersIn(context);
  await makeImage(folder, 'base', 'qcow2');
  await layer(folder, 'top', 'base');
  const place = `${path.dirname(folder)} 2, moved: here`;
  await rename(path.dirname(folder), place);
  context.after(() => rm(place, { recursive: true }));
  const moved = path.join(place, 'layers');
  assert.deepEqual(
    (await resolveChain(path.join(moved, 'top'), moved)).map(({ file }) => file),
    [path.join(moved, 'top'), path.join(moved, 'base')],
  );
});

test('a layer that is its own parent, or a circle of three → ParentMismatch', async (context) => {
  const folder = await layersIn(context);
  const own = await layer(folder, 'own', 'own');
  await assert.rejects(resolveChain(own, folder), { code: 'ParentMismatch', message: /its own ancestor/ });
  const [a] = await Promise.all([layer(folder, 'a', 'b'), layer(folder, 'b', 'c'), layer(folder, 'c', './a')]);
  await assert.rejects(resolveChain(a, folder), { code: 'ParentMismatch' });
});

const outside = ['/etc/passwd', '../secret', 'inner/base', 'nbd://127.0.0.1:1/x', '../layers2/base'];
for (const parent of outside) {
  test(`a parent outside the folder, ${parent} → ParentNotAllowed, unopened`, async (context) => {
    const folder = await layersIn(context);
    const top = await layer(folder, 'top', parent, 'raw');
    await assert.rejects(resolveChain(top, folder), ({ code, data }: CheckpointError) => {
      // Other protocols than files are not known at all.
      assert.equal(code, parent.includes('://') ? 'UnsupportedDisk' : 'ParentNotAllowed');
      assert.equal(data['path'], top);
      return true;
    });
  });
}

test('a parent that is a program for the block layer (json:) → never followed', async (context) => {
  const folder = await layersIn(context);
  for (const parent of ['json:{"driver":"file","filename":"/etc/passwd"}', 'json:{"driver":"null-co"}']) {
    const top = await layer(folder, 'top', parent, 'raw');
    await assert.rejects(resolveChain(top, folder), ({ code }: { code?: string }) =>
      ['ParentNotAllowed', 'DiskNotFound', 'UnsupportedDisk'].includes(code ?? ''),
    );
  }
});

test('a layer that is a link → ParentNotAllowed, wherever it leads', async (context) => {
  const folder = await layersIn(context);
  const secret = await makeImage(path.dirname(folder), 'secret', 'qcow2');
  const link = path.join(folder, 'base');
  await symlink(secret, link);
  await assert.rejects(resolveChain(link, folder), { code: 'ParentNotAllowed' });
  await assert.rejects(resolveChain(await layer(folder, 'top', 'base'), folder), { code: 'ParentNotAllowed' });
  await assert.rejects(resolveChain(await layer(folder, 'raw', 'base', 'raw'), folder), { code: 'ParentNotAllowed' });
});

test('a layer whose data lie in an external file → ParentNotAllowed', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(folder, 'base', 'qcow2', { create: ['-o', `data_file=${folder}/data`] });
  await assert.rejects(resolveChain(base, folder), { code: 'ParentNotAllowed', message: /external data file/ });
  await assert.rejects(resolveChain(await layer(folder, 'top', 'base'), folder), { code: 'ParentNotAllowed' });
});

test('a base in the folder that itself depends on another file, which it does not name → ImageDamaged', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(folder, 'base', 'vmdk');
  const descriptor = (await readFile(base)).toString('latin1', 512, 21 * 512);
  const hostile = descriptor.replace('parentCID=ffffffff', 'parentCID=00000001');
  await patch(base, 512, Buffer.from(hostile, 'latin1'));
  await assert.rejects(resolveChain(await layer(folder, 'top', 'base', 'vmdk'), folder), { code: 'ImageDamaged' });
});

test("a layer that does not say its parent's format → ParentMismatch: it is not guessed", async (context) => {
  const folder = await layersIn(context);
  await makeImage(folder, 'base', 'qcow2');
  const top = await layer(folder, 'top', 'base');
  const content = await readFile(top);
  await patch(top, content.indexOf(Buffer.from('e2792aca', 'hex')), Buffer.from('12345678', 'hex'));
  await assert.rejects(resolveChain(top, folder), { code: 'ParentMismatch', message: /not guessed/ });
});

test("a parent's format that is not known here → UnsupportedDisk", async (context) => {
  const folder = await layersIn(context);
  const top = await layer(folder, 'top', 'base');
  const content = await readFile(top);
  await patch(top, content.indexOf(Buffer.from('e2792aca', 'hex')) + 8, Buffer.from('parse'));
  await assert.rejects(resolveChain(top, folder), { code: 'UnsupportedDisk' });
});

test('a layer that is missing, at the top or below → DiskNotFound, naming it', async (context) => {
  const folder = await layersIn(context);
  const base = path.join(folder, 'base');
  const top = await layer(folder, 'top', 'base');
  const missing = (file: string) => ({
    code: 'DiskNotFound',
    message: `The disk layer ${file} is missing. Restore it from a backup; the machine cannot run without it.`,
  });
  await assert.rejects(resolveChain(top, folder), missing(base));
  await rm(top);
  await assert.rejects(resolveChain(top, folder), missing(top));
});

test('a pipe in place of a layer → NotADiskImage, at once', { timeout: 5000 }, async (context) => {
  const folder = await layersIn(context);
  const pipe = path.join(folder, 'pipe');
  await runProgram('mkfifo', [pipe]);
  await assert.rejects(resolveChain(pipe, folder), { code: 'NotADiskImage' });
});

test('a chain of 1025 layers → ParentMismatch; nobody made it on purpose', async (context) => {
  const folder = await layersIn(context);
  const template = await layer(folder, 'n0000', 'n0001');
  const nameAt = (await readFile(template)).indexOf('n0001');
  for (let index = 1; index <= 1025; index++) {
    const file = path.join(folder, `n${String(index).padStart(4, '0')}`);
    await copyFile(template, file);
    await patch(file, nameAt, Buffer.from(`n${String(index + 1).padStart(4, '0')}`));
  }
  await assert.rejects(resolveChain(template, folder), { code: 'ParentMismatch', message: /lies too deep/ });
});

test('the base that the user allowed → the chain ends there, outside the folder', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(path.dirname(folder), 'base, of mine', 'qcow2');
  const top = await layer(folder, 'top', base);
  assert.deepEqual(await resolveChain(top, folder, await allowed(base)), [
    { file: top, format: 'qcow2' },
    { file: base, format: 'qcow2' },
  ]);
  await assert.rejects(resolveChain(top, folder), { code: 'ParentNotAllowed' });
});

const changes: [what: string, field: string, change: (base: string) => Promise<unknown>][] = [
  ['grew', 'sizeBytes', (base) => appendFile(base, Buffer.alloc(512))],
  ['was written', 'modifiedMs', (base) => utimes(base, new Date(0), new Date(0))],
  [
    'is of another format now',
    'format',
    async (base) => {
      await rm(base);
      await makeImage(path.dirname(base), path.basename(base), 'vhdx');
    },
  ],
];
for (const [what, field, change] of changes) {
  test(`the allowed base ${what} → ParentMismatch, with what was expected and what was found`, async (context) => {
    const folder = await layersIn(context);
    const base = await makeImage(path.dirname(folder), 'base', 'qcow2');
    const top = await layer(folder, 'top', base);
    const external = await allowed(base);
    await change(base);
    await assert.rejects(resolveChain(top, folder, external), (error: { code?: string; data?: object }) => {
      assert.equal(error.code, 'ParentMismatch');
      assert.match(JSON.stringify(error.data), new RegExp(`"path":"${base}","field":"${field}","expected":.*"found":`));
      return true;
    });
  });
}

test('the allowed base is gone → DiskNotFound', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(path.dirname(folder), 'base', 'qcow2');
  const top = await layer(folder, 'top', base);
  const external = await allowed(base);
  await rm(base);
  await assert.rejects(resolveChain(top, folder, external), { code: 'DiskNotFound' });
});

test('the allowed base depends on another file now, with its size and time kept → refused', async (context) => {
  const folder = await layersIn(context);
  const base = await makeImage(path.dirname(folder), 'base', 'vmdk');
  const top = await layer(folder, 'top', base, 'vmdk');
  const external = await allowed(base);
  const { atime, mtime } = await stat(base);
  const at = (await readFile(base)).indexOf('parentCID=ffffffff');
  await patch(base, at, Buffer.from('parentCID=12345678'));
  await utimes(base, atime, mtime);
  const { mtimeMs } = await stat(base);
  await assert.rejects(resolveChain(top, folder, { ...external, modifiedMs: Math.floor(mtimeMs) }), {
    code: 'ImageDamaged',
  });
});

test('a raw base that the user allowed may hold anything', async (context) => {
  const folder = await layersIn(context);
  const base = path.join(path.dirname(folder), 'base.raw');
  const trap = await makeImage(path.dirname(folder), 'trap', 'qcow2', {
    backing: { file: '/etc/passwd', format: 'raw' },
  });
  await writeFile(base, Buffer.concat([(await readFile(trap)).subarray(0, 512), Buffer.alloc(mebibyte - 512)]));
  const top = await layer(folder, 'top', base, 'raw');
  const [, end] = await resolveChain(top, folder, await allowed(base, 'raw'));
  assert.deepEqual(end, { file: base, format: 'raw' });
});
