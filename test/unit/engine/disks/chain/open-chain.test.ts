import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../../engine/disks/operations/create.ts';
import { openChain, openLayer, type OpenWholeChain } from '../../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../../engine/model/machine.ts';
import { makeChain } from '../../../../support/disks/chains.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;

/** Opens a chain and closes it at once. @returns its files' names from the top down */
async function filesOf(image: string, options: OpenWholeChain = {}): Promise<string[]> {
  const chain = await openChain(image, options);
  await chain.close();
  return chain.layers.map((layer) => path.basename(layer.file.path));
}

/** A qcow2 layer that names whatever it likes as its parent. */
async function layerNaming(file: string, backing: string, format = 'qcow2'): Promise<void> {
  await runProgram('qemu-img', ['create', '-q', '-u', '-f', 'qcow2', '-F', format, '-b', backing, file, '1M']);
}

for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
  test(`a ${format} chain of five reads through all of its layers; only the top can be written`, () =>
    withFolder(async (folder) => {
      const formats = Array<DiskFormat>(5).fill(format);
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [6 * mib], steps: 20 });
      const [top = ''] = made.files;
      const chain = await openChain(top, { access: (depth) => (depth === 0 ? 'write' : 'read') });
      assert.deepEqual(
        chain.layers.map((layer) => [layer.file.path, layer.isReadOnly]),
        made.files.map((file, depth) => [file, depth > 0]),
      );
      await made.models[0]?.assertSame(chain.top);
      await assert.rejects(chain.base.write(Buffer.alloc(512), 0), { code: 'PermissionDenied' });
      await chain.close();
      for (const [depth, file] of made.files.entries()) {
        const part = await openChain(file);
        await made.models[depth]?.assertSame(part.top, `layer ${depth} from the top`);
        await part.close();
      }
    }));

  test(`a ${format} parent that is missing is said to be missing, and where it was looked for`, () =>
    withFolder(async (folder) => {
      const formats = [format, format];
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [mib], steps: 0 });
      const [child = '', parent = ''] = made.files;
      await rm(parent);
      await assert.rejects(openChain(child), (error: Error & { code?: string; data?: { looked: string[] } }) => {
        assert.equal(error.code, 'DiskNotFound');
        assert.match(error.message, /ckpt disk rebase/);
        return error.data?.looked.some((place) => path.basename(place) === path.basename(parent)) === true;
      });
      await assert.doesNotReject(async () => (await openLayer(child, 'read')).close());
    }));
}

for (const format of ['vhd', 'vhdx'] as const) {
  test(`a ${format} parent that is another disk is refused, with what was expected and what was found`, () =>
    withFolder(async (folder) => {
      const formats = [format, format];
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [4 * mib], steps: 5 });
      const [child = '', parent = ''] = made.files;
      const other = path.join(folder, 'other');
      await create(other, { format, virtualSizeBytes: 4 * mib });
      await rename(other, parent);
      await assert.rejects(openChain(child), (error: Error & { code?: string; data?: Record<string, unknown> }) => {
        assert.equal(error.code, 'ParentMismatch');
        assert.equal(error.data?.['path'], child);
        assert.equal(error.data['parent'], parent);
        for (const fact of ['field', 'expected', 'found'] as const) {
          assert.ok(error.message.includes(String(error.data[fact])), `${fact} in: ${error.message}`);
        }
        assert.notEqual(error.data['expected'], error.data['found']);
        return /--accept-mismatch/.test(error.message);
      });
    }));
}

test('a parent outside the folder is opened only from a folder that was allowed', () =>
  withFolder(async (folder) => {
    const [inside, outside] = [path.join(folder, 'inside'), path.join(folder, 'outside')];
    await mkdir(inside);
    await mkdir(outside);
    const base = path.join(outside, 'base.qcow2');
    const middle = path.join(outside, 'middle.qcow2');
    const child = path.join(inside, 'child.qcow2');
    await create(base, { format: 'qcow2', virtualSizeBytes: mib });
    await create(middle, { format: 'qcow2', parent: { file: base } });
    await create(child, { format: 'qcow2', parent: { file: middle } });
    await assert.rejects(openChain(child), { code: 'ParentNotAllowed' });
    assert.deepEqual(await filesOf(child, { allowParents: [outside] }), ['child.qcow2', 'middle.qcow2', 'base.qcow2']);
    assert.deepEqual(await filesOf(child, { allowParents: [folder] }), ['child.qcow2', 'middle.qcow2', 'base.qcow2']);
    await assert.rejects(openChain(child, { allowParents: [path.join(folder, 'out')] }), { code: 'ParentNotAllowed' });
  }));

test('a link does not lead out of the folder', () =>
  withFolder(async (folder) => {
    const inside = path.join(folder, 'inside');
    await mkdir(inside);
    await create(path.join(folder, 'base.qcow2'), { format: 'qcow2', virtualSizeBytes: mib });
    await symlink(path.join(folder, 'base.qcow2'), path.join(inside, 'base.qcow2'));
    await layerNaming(path.join(inside, 'child.qcow2'), 'base.qcow2');
    await assert.rejects(openChain(path.join(inside, 'child.qcow2')), { code: 'ParentNotAllowed' });
    for (const named of [
      '/etc/passwd',
      '../base.qcow2',
      'x/../../base.qcow2',
      '/dev/zero',
      'json:{}',
      'nbd://localhost',
    ]) {
      const file = path.join(inside, 'hostile.qcow2');
      await layerNaming(file, named, 'raw');
      await assert.rejects(openChain(file), (error: { code?: string }) =>
        ['ParentNotAllowed', 'DiskNotFound', 'UnsupportedDisk', 'ImageDamaged'].includes(error.code ?? ''),
      );
    }
  }));

test('a linked folder does not lead out of the folder either', () =>
  withFolder(async (folder) => {
    const [inside, outside] = [path.join(folder, 'inside'), path.join(folder, 'outside')];
    await mkdir(inside);
    await mkdir(outside);
    await create(path.join(outside, 'base.qcow2'), { format: 'qcow2', virtualSizeBytes: mib });
    await symlink(outside, path.join(inside, 'linked'));
    const child = path.join(inside, 'child.qcow2');
    await layerNaming(child, 'linked/base.qcow2');
    await assert.rejects(openChain(child), { code: 'ParentNotAllowed' });
    assert.deepEqual(await filesOf(child, { allowParents: [outside] }), ['child.qcow2', 'base.qcow2']);
  }));

test('a parent that is a link to a file of the folder is opened, and goes by that name', () =>
  withFolder(async (folder) => {
    await create(path.join(folder, 'base.qcow2'), { format: 'qcow2', virtualSizeBytes: mib });
    await symlink('base.qcow2', path.join(folder, 'link.qcow2'));
    await symlink('nothing.qcow2', path.join(folder, 'broken.qcow2'));
    const child = path.join(folder, 'child.qcow2');
    await layerNaming(child, 'link.qcow2');
    assert.deepEqual(await filesOf(child), ['child.qcow2', 'base.qcow2']);
    await rm(child);
    await layerNaming(child, 'broken.qcow2');
    await assert.rejects(openChain(child), { code: 'DiskNotFound' });
  }));

test('a missing backing format is not guessed', () =>
  withFolder(async (folder) => {
    await writeFile(path.join(folder, 'base.raw'), Buffer.alloc(mib));
    const child = path.join(folder, 'child.qcow2');
    await layerNaming(child, 'base.raw', 'raw');
    assert.deepEqual(await filesOf(child), ['child.qcow2', 'base.raw']);
    // The extension that names the format ends up as one that nobody knows.
    const content = await readFile(child);
    const at = content.indexOf(Buffer.from('e2792aca', 'hex'));
    assert.ok(at > 0);
    content.writeUInt32BE(0x11223344, at);
    await writeFile(child, content);
    await assert.rejects(openChain(child), { code: 'ParentMismatch' });
  }));

test('a chain that comes back to itself is refused, and one that is too deep', () =>
  withFolder(async (folder) => {
    const [a, b] = [path.join(folder, 'a.qcow2'), path.join(folder, 'b.qcow2')];
    await layerNaming(a, 'b.qcow2');
    await layerNaming(b, 'a.qcow2');
    await assert.rejects(openChain(a), { code: 'ParentMismatch' });
    await layerNaming(a, 'a.qcow2');
    await assert.rejects(openChain(a), { code: 'ParentMismatch' });

    await layerNaming(path.join(folder, '0000.qcow2'), '0001.qcow2');
    const template = await readFile(path.join(folder, '0000.qcow2'));
    const nameAt = template.indexOf('0001.qcow2');
    for (let depth = 0; depth < 1100; depth++) {
      const content = Buffer.from(template);
      content.write(`${String(depth + 1).padStart(4, '0')}.qcow2`, nameAt);
      await writeFile(path.join(folder, `${String(depth).padStart(4, '0')}.qcow2`), content);
    }
    await assert.rejects(openChain(path.join(folder, '0000.qcow2')), { code: 'ParentMismatch' });
  }));

test(
  'a pipe, a folder and nothing are no disks',
  { skip: process.platform === 'win32' && 'there are no such pipes' },
  () =>
    withFolder(async (folder) => {
      const pipe = path.join(folder, 'pipe');
      await runProgram('mkfifo', [pipe]);
      await assert.rejects(openChain(pipe), { code: 'NotADiskImage' });
      await assert.rejects(openChain(folder), { code: 'NotADiskImage' });
      await assert.rejects(openChain(path.join(folder, 'nothing')), { code: 'DiskNotFound' });
      const child = path.join(folder, 'child.qcow2');
      await layerNaming(child, 'pipe', 'raw');
      await assert.rejects(openChain(child), { code: 'NotADiskImage' });
    }),
);

test('a raw disk is opened only when told so', () =>
  withFolder(async (folder) => {
    const file = path.join(folder, 'disk.raw');
    await writeFile(file, Buffer.alloc(mib));
    await assert.rejects(openChain(file), { code: 'NotADiskImage' });
    assert.deepEqual(await filesOf(file, { format: 'raw' }), ['disk.raw']);
    // Whatever a guest wrote into it.
    const guest = path.join(folder, 'guest.qcow2');
    await layerNaming(guest, '/etc/passwd', 'raw');
    await copyFile(guest, file);
    const chain = await openChain(file, { format: 'raw' });
    assert.equal(chain.layers.length, 1);
    await chain.close();
  }));
