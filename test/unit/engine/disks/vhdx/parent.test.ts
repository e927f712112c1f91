import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { rawDriver } from '../../../../../engine/disks/raw/driver.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import {
  decodeParentLocator,
  encodeParentLocator,
  linkages,
  newParentLocator,
  parentPaths,
} from '../../../../../engine/disks/vhdx/parent-locator.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { about, contentOf, frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const sizeBytes = 4 * mebibyte;
const path = '/memory/child.vhdx';
const guids = [
  '11111111-2222-3333-4444-555555555555',
  '66666666-7777-8888-9999-aaaaaaaaaaaa',
  '00000000-0000-0000-0000-000000000000',
] as const;

test('parent locator: what is written is what is read, in any script', () => {
  const locator = newParentLocator(guids[0], '../Größe/中文.vhdx', path);
  assert.deepEqual(decodeParentLocator(encodeParentLocator(locator, path), path), locator);
  assert.equal(locator.get('parent_linkage'), `{${guids[0]}}`);
  assert.equal(locator.get('relative_path'), '..\\Größe\\中文.vhdx');
  assert.equal(locator.get('absolute_win32_path'), '\\Größe\\中文.vhdx');
  assert.equal(newParentLocator(guids[0], 'parent.vhdx', path).get('relative_path'), '.\\parent.vhdx');
});

test('parent locator: paths are tried relative, volume, absolute, in the notation of the system', () => {
  const locator = new Map([
    ['absolute_win32_path', 'C:\\vms\\parent.vhdx'],
    ['volume_path', '\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\vms\\parent.vhdx'],
    ['relative_path', '..\\parent.vhdx'],
    ['parent_linkage', `{${guids[0]}}`],
  ]);
  assert.deepEqual(parentPaths(locator, 'linux'), ['../parent.vhdx', './parent.vhdx']);
  assert.deepEqual(parentPaths(locator, 'win32'), [
    '..\\parent.vhdx',
    '\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\vms\\parent.vhdx',
    'C:\\vms\\parent.vhdx',
    '.\\parent.vhdx',
  ]);
  assert.deepEqual(parentPaths(new Map([['absolute_win32_path', '/vms/parent.vhdx']]), 'linux'), [
    '/vms/parent.vhdx',
    './parent.vhdx',
  ]);
});

test('parent locator: a parent on another volume of a Windows computer → looked for beside the child, by its bare name', () => {
  const locator = new Map([
    ['volume_path', '\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\vms\\parent.vhdx'],
    ['absolute_win32_path', '\\\\?\\D:\\vms\\parent.vhdx'],
  ]);
  assert.deepEqual(parentPaths(locator, 'linux'), ['./parent.vhdx']);
  assert.deepEqual(parentPaths(new Map([['absolute_win32_path', 'D:']]), 'linux'), []);
  assert.deepEqual(parentPaths(new Map([['relative_path', '..']]), 'linux'), ['..']);
});

test('parent locator: texts that count the NUL at their end are read without it', () => {
  const bytes = encodeParentLocator(newParentLocator(guids[0], 'parent.vhdxx', path), path);
  // Of the last pair's value: its last letter becomes a NUL.
  bytes.writeUInt16LE(0, bytes.length - 2);
  assert.equal(decodeParentLocator(bytes, path).get('absolute_win32_path'), '\\memory\\parent.vhdx');
});

test('parent locator: a name with a backslash in it has no form there → refused before anything is written', () => {
  assert.throws(
    () => newParentLocator(guids[0], 'ba\\ck.vhdx', path, 'linux'),
    about('InvalidArgument', 'relative_path'),
  );
  assert.equal(newParentLocator(guids[0], 'ba\\ck.vhdx', path, 'win32').get('relative_path'), '.\\ba\\ck.vhdx');
});

test('parent locator: parent_linkage2 counts unless it is zero; upper case and missing braces are understood', () => {
  assert.deepEqual(linkages(new Map([['parent_linkage', `{${guids[1].toUpperCase()}}`]])), [guids[1]]);
  const both = new Map<string, string>([['parent_linkage', guids[0]]]);
  assert.deepEqual(linkages(both.set('parent_linkage2', `{${guids[2]}}`)), [guids[0]]);
  assert.deepEqual(linkages(both.set('parent_linkage2', `{${guids[1]}}`)), [guids[0], guids[1]]);
});

test('parent locator: hostile ones are refused, by field', () => {
  const good = encodeParentLocator(newParentLocator(guids[0], 'parent.vhdx', path), path);
  for (const [change, code, field] of [
    [(bytes: Buffer) => bytes.fill(1, 0, 16), 'UnsupportedDisk', 'LocatorType'],
    [(bytes: Buffer) => bytes.writeUInt16LE(0xffff, 18), 'ImageDamaged', 'KeyValueCount'],
    [(bytes: Buffer) => bytes.writeUInt32LE(0xffffffff, 20), 'ImageDamaged', 'KeyOffset'],
    [(bytes: Buffer) => bytes.writeUInt32LE(bytes.length, 24), 'ImageDamaged', 'ValueOffset'],
    [(bytes: Buffer) => bytes.writeUInt16LE(3, 28), 'ImageDamaged', 'KeyOffset'],
    [(bytes: Buffer) => bytes.writeUInt16LE(0, bytes.length - 4), 'ImageDamaged', 'ValueOffset'],
    [(bytes: Buffer) => bytes.writeUInt16LE(1, 18), 'fine', ''],
    [(bytes: Buffer) => bytes.writeUInt16LE(0, 18), 'ImageDamaged', 'parent_linkage'],
    [(bytes: Buffer) => bytes.copy(bytes, 32, 20, 32), 'ImageDamaged', 'parent locator'],
  ] as const) {
    const bytes = Buffer.from(good);
    change(bytes);
    if (code === 'fine') {
      assert.equal(decodeParentLocator(bytes, path).size, 1);
    } else {
      assert.throws(() => decodeParentLocator(bytes, path), about(code, field));
    }
  }
  assert.throws(() => decodeParentLocator(Buffer.alloc(3), path), about('ImageDamaged', 'parent locator'));
  for (const value of ['x'.repeat(40000), 'a\0b']) {
    assert.throws(() => encodeParentLocator(newParentLocator(guids[0], value, path), path), {
      code: 'InvalidArgument',
    });
  }
});

async function family(): Promise<{ base: MemoryFile; child: MemoryFile }> {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const layer = await openChain(base);
  await layer.write(Buffer.alloc(sizeBytes, 0xbb), 0);
  await layer.close();
  return { base, child: await newChild(frozen(base), { blockBytes: mebibyte }) };
}

test('a new child takes size, sectors and Virtual Disk ID from its parent, and matches it', async () => {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, logicalSectorBytes: 4096 });
  const child = await openChain(await newChild(base));
  const parent = await openChain(frozen(base));
  assert.deepEqual(
    [child.virtualSizeBytes, child.logicalSectorBytes, child.details['BlockSize']],
    [sizeBytes, 4096, 2 * mebibyte],
  );
  assert.equal(child.identity['VirtualDiskId'], parent.identity['VirtualDiskId']);
  assert.deepEqual(child.compareParent(parent), []);
  assert.deepEqual(child.parentReference, { paths: ['./disk.vhdx', '/memory/disk.vhdx'], format: 'vhdx' });
  assert.equal(parent.parentReference, undefined);
});

test('a parent that was written matches no more; one of another format or sector size never does', async () => {
  const { base, child } = await family();
  const layer = await openChain(child);
  const before = await openChain(frozen(base));
  const writing = await openChain(base);
  await writing.write(Buffer.alloc(1), 0);
  await writing.close();
  const after = await openChain(frozen(base));
  assert.deepEqual(layer.compareParent(before), []);
  assert.deepEqual(layer.compareParent(after), [
    { field: 'parent_linkage', expected: before.identity['DataWriteGuid'], found: after.identity['DataWriteGuid'] },
  ]);
  const large = await openChain(await newVhdx({ virtualSizeBytes: sizeBytes, logicalSectorBytes: 4096 }));
  assert.deepEqual(
    layer.compareParent(large).map(({ field }) => field),
    ['parent_linkage', 'LogicalSectorSize'],
  );
  const raw = await rawDriver.open({ file: new MemoryFile('/memory/disk.raw', Buffer.alloc(512)) });
  assert.deepEqual(
    layer.compareParent(raw).map(({ field }) => field),
    ['LocatorType'],
  );
  await assert.rejects(layer.expectParentChange(raw), { code: 'UnsupportedDisk' });
  await assert.rejects(layer.setParent({ layer: raw, relativePath: 'disk.raw' }), { code: 'UnsupportedDisk' });
  const file = new MemoryFile('/memory/other.vhdx');
  await assert.rejects(vhdxDriver.create({ file, parent: { layer: raw, relativePath: 'disk.raw' } }), {
    code: 'UnsupportedDisk',
  });
});

test('expectParentChange: the child matches the parent before, while and after it is written', async () => {
  const { base, child } = await family();
  const opened = { child: await openChain(child, frozen(base)), parent: await openChain(base) };
  const before = opened.parent.identity['DataWriteGuid'];
  await opened.child.expectParentChange(opened.parent);
  assert.deepEqual(opened.child.compareParent(opened.parent), []);
  assert.equal(opened.parent.identity['DataWriteGuid'], before, 'nothing of the parent has changed yet');
  await opened.parent.write(Buffer.alloc(512, 1), 0);
  assert.notEqual(opened.parent.identity['DataWriteGuid'], before);
  assert.deepEqual(opened.child.compareParent(opened.parent), []);
  // Once more, as when several layers are merged one after another.
  await opened.child.expectParentChange(opened.parent);
  await opened.parent.write(Buffer.alloc(512, 2), 0);
  await opened.parent.close();
  await opened.child.close();
  const [childThen, parentThen] = [await openChain(frozen(child)), await openChain(frozen(base))];
  assert.deepEqual(childThen.compareParent(parentThen), []);
  assert.deepEqual(childThen.parentReference?.paths, ['./disk.vhdx', '/memory/disk.vhdx']);
});

test('setParent: another path, and the identity of another parent', async () => {
  const { base, child } = await family();
  const other = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte }, '/memory/sub/other.vhdx');
  const layer = await openChain(child, frozen(base));
  const identity = layer.identity['DataWriteGuid'];
  const parent = await openChain(frozen(other));
  for (const relativePath of ['sub/other.vhdx', `${'long/'.repeat(2000)}other.vhdx`, '../other.vhdx']) {
    await layer.setParent({ layer: parent, relativePath });
    const found = await openChain(frozen(child));
    const shown = relativePath.startsWith('..') ? relativePath : `./${relativePath}`;
    assert.equal(found.parentReference?.paths[0], shown);
    assert.deepEqual(found.compareParent(parent), []);
    assert.equal(found.identity['DataWriteGuid'], identity, "the child's own children keep matching it");
  }
  await layer.close();
  const standalone = await openChain(base);
  await assert.rejects(standalone.setParent({ layer: parent, relativePath: 'x' }), { code: 'UnsupportedDisk' });
  await standalone.setParent(undefined);
});

test('setParent to nothing: partly filled blocks are completed, and the disk stands alone', async () => {
  const { base, child } = await family();
  const layer = await openChain(child, frozen(base));
  await layer.write(Buffer.alloc(1000, 0xcc), 700);
  await layer.write(Buffer.alloc(mebibyte, 0xdd), mebibyte);
  await layer.zero(2 * mebibyte, mebibyte);
  const whole = await contentOf(layer);
  await layer.write(whole.subarray(3 * mebibyte), 3 * mebibyte);
  await layer.setParent(undefined);
  assert.equal(layer.parentReference, undefined);
  assert.ok((await contentOf(layer)).equals(whole));
  await layer.close();
  const alone: Layer = await openChain(frozen(child));
  assert.equal(alone.details['HasParent'], false);
  assert.ok((await contentOf(alone)).equals(whole));
  assert.deepEqual(
    (await alone.check({ repair: false })).filter(({ severity }) => severity === 'error'),
    [],
  );
});
