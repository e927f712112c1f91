import assert from 'node:assert/strict';
import { copyFile, link, mkdir, readdir, rename, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { check } from '../../../../../engine/disks/operations/check.ts';
import { compact } from '../../../../../engine/disks/operations/compact.ts';
import { convert } from '../../../../../engine/disks/operations/convert.ts';
import { create } from '../../../../../engine/disks/operations/create.ts';
import { chainInfo, info } from '../../../../../engine/disks/operations/info.ts';
import { rebase } from '../../../../../engine/disks/operations/rebase.ts';
import { resize } from '../../../../../engine/disks/operations/resize.ts';
import { openChain } from '../../../../../engine/disks/open-chain.ts';
import { makeChain } from '../../../../support/disks/chains.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;

for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
  test(`info of a ${format} layer does not need its parent; chain does`, () =>
    withFolder(async (folder) => {
      const formats = [format, format];
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [8 * mib], steps: 5 });
      const [child = '', parent = ''] = made.files;
      const layers = await chainInfo(child);
      assert.deepEqual(
        layers.map((layer) => [layer.file, layer.format, layer.virtualSizeBytes]),
        made.files.map((file) => [file, format, 8 * mib]),
      );
      assert.equal(layers[1]?.parent, undefined);
      await rename(parent, `${parent}.gone`);
      const found = await info(child);
      assert.equal(path.resolve(folder, found.parent?.paths[0] ?? ''), parent);
      assert.equal(found.fileSizeBytes, (await stat(child)).size);
      await assert.rejects(chainInfo(child), { code: 'DiskNotFound' });
    }));

  test(`rebase finds a moved ${format} parent again, and never takes another disk for it`, () =>
    withFolder(async (folder) => {
      const formats = [format, format];
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [8 * mib], steps: 20 });
      const [child = '', parent = ''] = made.files;
      await mkdir(path.join(folder, 'moved'));
      const moved = path.join(folder, 'moved', `other.${format}`);
      await rename(parent, moved);
      await assert.rejects(openChain(child), { code: 'DiskNotFound' });
      await rebase(child, { parent: moved });
      const chain = await openChain(child);
      assert.equal(chain.base.file.path, moved);
      await made.models[0]?.assertSame(chain.top);
      await chain.close();

      const stranger = path.join(folder, `stranger.${format}`);
      await create(stranger, { format, virtualSizeBytes: format === 'qcow2' ? 4 * mib : 8 * mib });
      if (format !== 'qcow2') {
        await assert.rejects(rebase(child, { parent: stranger }), { code: 'ParentMismatch' });
      }
      await assert.rejects(rebase(child, { parent: child }), { code: 'InvalidArgument' });
      await assert.rejects(rebase(moved, { parent: stranger }), { code: 'InvalidArgument' });
      await rebase(child, { parent: stranger, acceptMismatch: true });
      const accepted = await openChain(child);
      assert.equal(accepted.base.file.path, stranger);
      await accepted.close();
    }));

  test(`a ${format} disk that grew keeps its content and is sound`, () =>
    withFolder(async (folder) => {
      const formats = [format, format];
      const made = await makeChain(folder, { random: seededRandom(), formats, sizesBytes: [8 * mib], steps: 20 });
      const [child = ''] = made.files;
      await resize(child, 20 * mib);
      assert.deepEqual(await check(child, { repair: false }), []);
      const chain = await openChain(child);
      await made.models[0]?.copy(20 * mib).assertSame(chain.top);
      await chain.close();
      await compact(child);
      assert.deepEqual(await check(child, { repair: false }), []);
      const compacted = await openChain(child);
      await made.models[0]?.copy(20 * mib).assertSame(compacted.top);
      await compacted.close();
    }));

  test(`a ${format} image that cannot be made leaves no file behind, and none is overwritten`, () =>
    withFolder(async (folder) => {
      const file = path.join(folder, `new.${format}`);
      await assert.rejects(create(file, { format, virtualSizeBytes: 100 }), { code: 'InvalidArgument' });
      assert.deepEqual(await readdir(folder), []);
      await create(file, { format, virtualSizeBytes: mib });
      await assert.rejects(create(file, { format, virtualSizeBytes: mib }), { code: 'NameInUse' });
      await copyFile(file, `${file}.copy`);
      assert.deepEqual((await info(`${file}.copy`)).virtualSizeBytes, mib);
    }));
}

test('rebase: a link to the image itself, by whatever name, is no parent for it', () =>
  withFolder(async (folder) => {
    const [base, child, soft, hard] = ['base', 'child', 'soft', 'hard'].map((name) =>
      path.join(folder, `${name}.qcow2`),
    );
    assert.ok(base !== undefined && child !== undefined && soft !== undefined && hard !== undefined);
    await create(base, { format: 'qcow2', virtualSizeBytes: mib });
    await create(child, { format: 'qcow2', parent: { file: base } });
    await symlink('child.qcow2', soft);
    await link(child, hard);
    for (const parent of [soft, hard]) {
      await assert.rejects(rebase(child, { parent }), { code: 'InvalidArgument' });
    }
    assert.deepEqual((await info(child)).parent?.paths, ['base.qcow2']);
  }));

test('a parent whose name has a colon in it, as an address has → a chain that QEMU opens too', () =>
  withFolder(async (folder) => {
    const base = path.join(folder, 'nbd:base.qcow2');
    const child = path.join(folder, 'child.qcow2');
    await create(base, { format: 'qcow2', virtualSizeBytes: mib });
    await create(child, { format: 'qcow2', parent: { file: base } });
    assert.deepEqual((await info(child)).parent?.paths, ['./nbd:base.qcow2']);
    assert.equal((await chainInfo(child)).length, 2);
    await runProgram('qemu-img', ['info', '--backing-chain', child]);
    await mkdir(path.join(folder, 'copies'));
    const copies = path.join(folder, 'copies', 'child.qcow2');
    await convert(child, copies, { to: 'qcow2' });
    assert.equal((await chainInfo(copies)).length, 2);
  }));
