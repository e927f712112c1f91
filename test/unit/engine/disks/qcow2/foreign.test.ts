import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Disk } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { DiskModel, randomProgram, runProgram } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../../support/shared-images.ts';
import {
  assertClean,
  assertSameContent,
  contentOf,
  kibibyte,
  mebibyte,
  qemuContent,
  qemuImg,
  qemuIo,
  randomQemuCommands,
} from './qemu.ts';

const random = seededRandom();

type OpenLayer = Awaited<ReturnType<typeof qcow2Driver.open>>;

async function openImage(file: string, access: 'read' | 'write' = 'read'): Promise<OpenLayer> {
  return qcow2Driver.open({ file: await openDiskFile(file, access) });
}

test(
  'an image of another project has the content that others read from it',
  { skip: withoutSharedImages },
  async () => {
    await withFolder(async (folder) => {
      const layer = await openImage(await unpackSharedImage('dfvfs-ext2.qcow2', folder));
      assert.equal(layer.virtualSizeBytes, 4194304);
      assert.equal(
        createHash('sha256')
          .update(await contentOf(layer))
          .digest('hex'),
        'a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80',
      );
      assert.deepEqual(await layer.check({ repair: false }), []);
      await layer.close();
    });
  },
);

/** Content of every kind of entropy, so that compressed clusters get every length and cross sectors and clusters. */
function mixedContent(sizeBytes: number): Buffer {
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    const length = Math.min(sizeBytes - at, 1 + Math.floor(random() * 40000));
    const spread = [0, 1, 3, 16, 256][Math.floor(random() * 5)] ?? 0;
    for (let index = at; index < at + length; index++) {
      content[index] = random() * spread;
    }
    at += length;
  }
  return content;
}

for (const type of ['zlib', 'zstd']) {
  for (const clusterSize of [512, 4096, 65536, 2 * mebibyte]) {
    test(`${type} clusters of ${clusterSize} bytes as qemu-img convert -c packs them`, async () => {
      await withFolder(async (folder) => {
        const raw = path.join(folder, 'content');
        const file = path.join(folder, 'image.qcow2');
        const content = mixedContent(clusterSize === 512 ? 512 * kibibyte : 6 * mebibyte);
        await writeFile(raw, content);
        const options = `compression_type=${type},cluster_size=${clusterSize}`;
        await qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, raw, file);

        const layer = await openImage(file, 'write');
        assert.equal(layer.details['compression_type'], type === 'zlib' ? 'deflate' : 'zstd');
        assertSameContent(await contentOf(layer), content, 'read in long pieces');
        const small = Buffer.alloc(3000);
        for (let round = 0; round < 300; round++) {
          const at = Math.floor(random() * (content.length - small.length));
          await layer.read(small, at);
          assert.ok(small.equals(content.subarray(at, at + small.length)), `3000 bytes at ${at}`);
        }
        assert.deepEqual(await layer.check({ repair: false }), []);

        const model = new DiskModel(content.length, new MemoryFile('/memory/expected', content));
        await layer.close();
        const program = randomProgram({ random, sizeBytes: content.length, steps: 60, longest: 3 * clusterSize });
        await runProgram(program, { open: () => openImage(file, 'write'), model });
        await assertClean(file);
        assertSameContent(await qemuContent(file), model.content(0, content.length), 'what we wrote over it');
      });
    });
  }
}

for (let depth = 1; depth <= 5; depth++) {
  test(`a chain of ${depth} layers above its base, written by QEMU and by us, longer and shorter than their parents`, async () => {
    await withFolder(async (folder) => {
      const sizes = Array.from({ length: depth + 1 }, () => 512 * (1000 + Math.floor(random() * 3000)));
      const files = sizes.map((_, index) => path.join(folder, `layer${index}.qcow2`));
      for (const [index, file] of files.entries()) {
        const sizeBytes = sizes[index] ?? 0;
        const clusterSize = 2 ** (9 + Math.floor(random() * 9));
        const extended = clusterSize >= 16384 && random() < 0.5 ? ',extended_l2=on' : '';
        const backing = index === 0 ? [] : ['-F', 'qcow2', '-b', `layer${index - 1}.qcow2`];
        const options = `cluster_size=${clusterSize}${extended}`;
        await qemuImg('create', '-q', '-f', 'qcow2', ...backing, '-o', options, file, String(sizeBytes));
        await qemuIo(file, randomQemuCommands(random, { sizeBytes, clusterSize, steps: 12 }));
        const expected = await qemuContent(file);
        const chain = await openStack(files.slice(0, index + 1));
        assertSameContent(await contentOf(chain.top), expected, `layer ${index} by QEMU`);

        const model = new DiskModel(sizeBytes, new MemoryFile('/memory/expected', expected));
        const program = randomProgram({ random, sizeBytes, steps: 25, longest: 4 * clusterSize });
        await runProgram(program, {
          open: async () => {
            await chain.closeTop();
            return chain.openTop('write');
          },
          model,
        });
        await chain.closeParents();
        await assertClean(file);
        assertSameContent(await qemuContent(file), model.content(0, sizeBytes), `layer ${index} by us`);
      }
    });
  });
}

/** Opens files as layers on each other, from the base up. */
async function openStack(files: readonly string[]): Promise<{
  top: Disk;
  openTop(access: 'read' | 'write'): Promise<Disk>;
  closeTop(): Promise<void>;
  closeParents(): Promise<void>;
}> {
  const parents: OpenLayer[] = [];
  for (const file of files.slice(0, -1)) {
    const layer = await openImage(file);
    connect(layer, parents.at(-1));
    parents.push(layer);
  }
  const topFile = files.at(-1) ?? '';
  const openTop = async (access: 'read' | 'write'): Promise<Disk> => {
    const layer = await openImage(topFile, access);
    connect(layer, parents.at(-1));
    return layer;
  };
  const top = await openTop('read');
  return {
    top,
    openTop,
    closeTop: () => top.close(),
    closeParents: async () => {
      for (const parent of parents) {
        await parent.close();
      }
    },
  };
}

function connect(layer: OpenLayer, parent: OpenLayer | undefined): void {
  if (parent !== undefined) {
    assert.deepEqual(layer.parentReference?.paths, [path.basename(parent.file.path)]);
    assert.deepEqual(layer.compareParent(parent), []);
    layer.attachParent(parent);
  }
}

for (const options of ['cluster_size=64k', 'cluster_size=4k,compat=0.10', 'cluster_size=16k,extended_l2=on']) {
  test(`snapshots inside (${options}) are listed, readable, and stay what they were while we write`, async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, 'image.qcow2');
      const sizeBytes = mebibyte;
      const clusterSize = 16 * kibibyte;
      await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, file, String(sizeBytes));
      const contents = new Map<string, Buffer>();
      for (const name of ['first', 'second', 'third ü']) {
        await qemuIo(file, randomQemuCommands(random, { sizeBytes, clusterSize, steps: 15 }));
        await qemuImg('snapshot', '-c', name, file);
        contents.set(name, await qemuContent(file));
      }
      await qemuIo(file, randomQemuCommands(random, { sizeBytes, clusterSize, steps: 15 }));
      await qemuImg('snapshot', '-d', 'second', file);
      contents.delete('second');

      const model = new DiskModel(sizeBytes, new MemoryFile('/memory/expected', await qemuContent(file)));
      const program = randomProgram({ random, sizeBytes, steps: 60, longest: 4 * clusterSize });
      await runProgram(program, { open: () => openImage(file, 'write'), model });

      const layer = await openImage(file);
      const listed = await layer.snapshots();
      assert.deepEqual(
        listed.map(({ id, name, virtualSizeBytes, vmStateBytes }) => ({ id, name, virtualSizeBytes, vmStateBytes })),
        [
          { id: '1', name: 'first', virtualSizeBytes: sizeBytes, vmStateBytes: 0 },
          { id: '3', name: 'third ü', virtualSizeBytes: sizeBytes, vmStateBytes: 0 },
        ],
      );
      assert.ok(listed.every(({ takenMs }) => Math.abs(takenMs - Date.now()) < 3600_000));
      assert.equal(layer.details['nb_snapshots'], 2);
      for (const [name, content] of contents) {
        const snapshot = await layer.openSnapshot(name);
        assertSameContent(await contentOf(snapshot), content, `snapshot ${name} as we read it`);
        await assert.rejects(() => snapshot.write(Buffer.alloc(512), 0), { code: 'PermissionDenied' });
        await snapshot.close();
        assertSameContent(
          await qemuContent(file, ['-f', 'qcow2', '-l', `snapshot.name=${name}`]),
          content,
          `snapshot ${name} as QEMU reads it`,
        );
      }
      await assert.rejects(() => layer.openSnapshot('second'), { code: 'CheckpointNotFound' });
      assert.deepEqual(await layer.check({ repair: false }), []);
      await layer.close();
      await assertClean(file);
      assertSameContent(await qemuContent(file), model.content(0, sizeBytes), 'what we wrote');
    });
  });
}
