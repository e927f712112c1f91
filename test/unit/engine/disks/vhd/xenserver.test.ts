import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  dynamicHeaderTable,
  parentLocatorsOffset,
  parentLocatorTable,
} from '../../../../../engine/disks/vhd/dynamic-header.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { footerTable } from '../../../../../engine/disks/vhd/footer.ts';
import { writeStructure } from '../../../../../engine/disks/structure.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { contentOf, mib, openChild, reseal, smallBlock } from './vhd-images.ts';

const blockCount = 16;
const sizeBytes = blockCount * smallBlock;
const tableOffset = 8192;
const batmapOffset = tableOffset + 512;
const batmapBytes = 1024;
const locatorsOffset = 1536;

interface XenDisk {
  /** Blocks in the order in which they lie in the file: the number, the bitmap's first byte, the content's byte. */
  blocks: readonly (readonly [number, number, number])[];
  parent?: { name: string; uniqueId: Buffer };
  hidden?: number;
}

/**
 * A VHD as XenServer's libvhd lays it out: creator `tap`, locators with their space in sectors, behind the table a batmap
 * with a header of its own, and blocks whose data begins at whole pages.
 */
function xenDisk(name: string, { blocks, parent, hidden = 0 }: XenDisk): MemoryFile {
  const file = new MemoryFile(`/memory/${name}`);
  const put = (offset: number, content: Buffer): void => file.apply({ kind: 'write', offset, content });
  const header = Buffer.alloc(1024);
  writeStructure(header, dynamicHeaderTable, {
    cookie: Buffer.from('cxsparse'),
    dataOffset: 0xffffffffffffffffn,
    tableOffset: BigInt(tableOffset),
    headerVersion: 0x10000,
    maxTableEntries: blockCount,
    blockSize: smallBlock,
    ...(parent === undefined
      ? {}
      : { parentUniqueId: parent.uniqueId, parentUnicodeName: Buffer.from(parent.name, 'utf16le').swap16() }),
  });
  const locators: [string, Buffer][] =
    parent === undefined
      ? []
      : [
          ['MacX', Buffer.from(`file://./${parent.name}`)],
          ['W2ku', Buffer.from(`/var/run/sr-mount/0/${parent.name}`, 'utf16le')],
          ['W2ru', Buffer.from(`./${parent.name}`, 'utf16le')],
        ];
  locators.forEach(([code, text], index) => {
    const offset = locatorsOffset + index * 512;
    writeStructure(
      header,
      parentLocatorTable,
      {
        platformCode: Buffer.from(code),
        platformDataSpace: 1,
        platformDataLength: text.length,
        platformDataOffset: BigInt(offset),
      },
      parentLocatorsOffset + index * 24,
    );
    put(offset, text);
  });
  put(512, header);
  reseal(file, 512, 1024, dynamicHeaderTable.checksum.offset);
  put(tableOffset, Buffer.alloc(512, 0xff));
  put(batmapOffset, Buffer.from('tdbatmap'));
  put(batmapOffset + 512, Buffer.alloc(batmapBytes - 512, 0xc3));
  let at = batmapOffset + batmapBytes;
  for (const [block, bits, tag] of blocks) {
    at = Math.ceil((at + 512) / 4096) * 4096 - 512;
    const entry = Buffer.alloc(4);
    entry.writeUInt32BE(at / 512);
    put(tableOffset + block * 4, entry);
    put(at, Buffer.alloc(smallBlock / 4096, bits));
    put(at + 512, Buffer.alloc(smallBlock, tag));
    at += 512 + smallBlock;
  }
  const footer = Buffer.alloc(512);
  writeStructure(footer, footerTable, {
    cookie: Buffer.from('conectix'),
    features: 2,
    fileFormatVersion: 0x10000,
    dataOffset: 512n,
    creatorApplication: Buffer.from('tap\0'),
    creatorVersion: 0x10003,
    originalSize: BigInt(sizeBytes),
    currentSize: BigInt(sizeBytes),
    diskType: parent === undefined ? 3 : 4,
    uniqueId: Buffer.from(name.padEnd(16).slice(0, 16)),
  });
  for (const offset of [0, at]) {
    put(offset, footer);
    reseal(file, offset, 512, footerTable.checksum.offset);
    put(offset + footerTable.hidden.offset, Buffer.from([hidden]));
  }
  return file;
}

const base = (): MemoryFile =>
  xenDisk('base.vhd', {
    blocks: [
      [3, 0xff, 0],
      [0, 0xff, 1],
      [9, 0xff, 2],
    ],
  });

describe('disks by XenServer', () => {
  test('a chain, with locators whose space is in sectors → the parent’s path, the content, and no faults', async () => {
    const parent = await vhdDriver.open({ file: base() });
    const uniqueId = Buffer.from('base.vhd        ');
    const file = xenDisk('child.vhd', { blocks: [[9, 0xf0, 7]], parent: { name: 'base.vhd', uniqueId } });
    const child = await openChild(file, parent);
    assert.deepEqual(child.compareParent(parent), []);
    assert.deepEqual(child.parentReference?.paths[0], './base.vhd');
    assert.deepEqual(await child.check({ repair: false }), []);
    const sectors = await contentOf(child, 9 * smallBlock, 4096);
    assert.deepEqual(sectors, Buffer.concat([Buffer.alloc(2048, 7), Buffer.alloc(2048, 2)]));
  });

  test('hidden, with the checksum of before, as early tools left it → opens; with another creator it is damaged', async () => {
    const hidden = xenDisk('hidden.vhd', { blocks: [[0, 0xff, 5]], hidden: 1 });
    const disk = await vhdDriver.open({ file: hidden });
    assert.deepEqual(await contentOf(disk, 0, 512), Buffer.alloc(512, 5));
    assert.deepEqual(await disk.check({ repair: false }), []);
    for (const offset of [0, hidden.sizeBytes - 512]) {
      hidden.apply({ kind: 'write', offset: offset + 85, content: Buffer.from([0]) });
      hidden.apply({ kind: 'write', offset: offset + 28, content: Buffer.from('win ') });
      reseal(hidden, offset, 512, footerTable.checksum.offset);
      hidden.apply({ kind: 'write', offset: offset + 85, content: Buffer.from([1]) });
    }
    await assert.rejects(vhdDriver.open({ file: hidden }), { code: 'ImageDamaged' });
  });

  test('compacted, also down to nothing → the batmap stays where it is, or XenServer could not open the disk any more', async () => {
    for (const isEmptied of [false, true]) {
      const file = base();
      const batmap = Buffer.from(file.peek(batmapOffset, batmapBytes));
      const disk = await vhdDriver.open({ file });
      if (isEmptied) {
        await disk.zero(0, sizeBytes);
      }
      const content = await contentOf(disk);
      assert.ok((await disk.compact({})) >= smallBlock);
      await disk.close();
      assert.ok(file.sizeBytes < 2 * mib);
      assert.deepEqual(file.peek(batmapOffset, batmapBytes), batmap);
      const again = await vhdDriver.open({ file });
      assert.deepEqual(await contentOf(again), content);
      assert.deepEqual(await again.check({ repair: true }), []);
    }
  });
});
