import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDescriptor, type Descriptor } from '../../../../../engine/disks/vmdk/descriptor.ts';

const start = '# Disk DescriptorFile\nversion=1\nCID=4cf978\nparentCID=ffffffff\ncreateType="monolithicFlat"\n';
const extent = 'RW 2048 FLAT "disk-flat.vmdk" 0\n';

function parse(text: string): Descriptor {
  return parseDescriptor(Buffer.from(text), '/disks/disk.vmdk');
}

function refusal(text: string, code: string, field?: string | RegExp): void {
  assert.throws(
    () => parse(text),
    (error: Error & { code?: string; data?: { field?: string } }) => {
      assert.equal(error.code, code, error.message);
      if (field !== undefined) {
        assert.match(error.data?.field ?? '', typeof field === 'string' ? new RegExp(`^${field}$`) : field);
      }
      return true;
    },
  );
}

test('header, extents of every type, comments, and a short CID', () => {
  const found = parse(
    `\r\n${start}\n# Extent description\nRW 100 SPARSE "a-s001.vmdk"\r\nRDONLY 200 FLAT "b.vmdk" 77\nrw 300 ZERO\n` +
      '  RW 400 VMFS "c-flat.vmdk"\nRW 500 VMFSSPARSE "d-delta.vmdk"\n\n#DDB\nddb.adapterType = "ide"\nisNativeSnapshot="no"\n',
  );
  assert.deepEqual(found, {
    cid: '004cf978',
    parentCid: undefined,
    parentFileNameHint: undefined,
    createType: 'monolithicFlat',
    extents: [
      { access: 'RW', sizeSectors: 100, type: 'SPARSE', fileName: 'a-s001.vmdk', offsetSectors: 0 },
      { access: 'RDONLY', sizeSectors: 200, type: 'FLAT', fileName: 'b.vmdk', offsetSectors: 77 },
      { access: 'RW', sizeSectors: 300, type: 'ZERO', fileName: undefined, offsetSectors: 0 },
      { access: 'RW', sizeSectors: 400, type: 'VMFS', fileName: 'c-flat.vmdk', offsetSectors: 0 },
      { access: 'RW', sizeSectors: 500, type: 'VMFSSPARSE', fileName: 'd-delta.vmdk', offsetSectors: 0 },
    ],
  });
});

test('a delta link names its parent and its content id', () => {
  const found = parse(start.replace('ffffffff', 'B5999963') + 'parentFileNameHint="base disk.vmdk"\n' + extent);
  assert.deepEqual([found.parentCid, found.parentFileNameHint], ['b5999963', 'base disk.vmdk']);
});

test('what follows a zero byte is padding', () => {
  assert.equal(parse(`${start}${extent}\0\0RW 7 FLAT "x" 0`).extents.length, 1);
});

test('names in other encodings are read as declared', () => {
  const text = Buffer.concat([
    Buffer.from(start + 'encoding="Shift_JIS"\nRW 1 FLAT "'),
    Buffer.from([0x83, 0x66, 0x83, 0x42]),
    Buffer.from('.vmdk" 0\n'),
  ]);
  assert.equal(parseDescriptor(text, '/x').extents[0]?.fileName, 'ディ.vmdk');
  assert.throws(() => parseDescriptor(Buffer.from(text).fill(' ', 96, 121), '/x'), { code: 'ImageDamaged' });
  refusal(start + 'encoding="klingon"\n' + extent.replace('disk-', 'dïsk-'), 'UnsupportedDisk', 'encoding');
});

test('an encoding that is not known says nothing about text that is ASCII', () => {
  assert.equal(parse(start + 'encoding="windows-936"\n' + extent).extents[0]?.fileName, 'disk-flat.vmdk');
});

test('an extent name that leads anywhere but beside the descriptor → ParentNotAllowed', () => {
  const names = [
    '../x.vmdk',
    '/etc/shadow',
    'a/b.vmdk',
    'a\\b.vmdk',
    'C:x.vmdk',
    '\\\\.\\PhysicalDrive0',
    '..',
    '.',
    '',
  ];
  for (const name of [...names, 'x'.repeat(256), 'a\tb']) {
    refusal(`${start}RW 100 FLAT "${name}" 0\n`, 'ParentNotAllowed', 'extent');
  }
});

test('what is not understood is refused, with the line', () => {
  refusal('version=1\n' + start + extent, 'ImageDamaged', '# Disk DescriptorFile');
  refusal('', 'ImageDamaged');
  refusal(start + 'RW lots FLAT "x" 0\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 100 FLAT x.vmdk 0\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 100 FLAT\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 0 FLAT "x" 0\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 999999999999999 FLAT "x" 0\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 1 FLAT "x" 999999999999999\n', 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'hello\n' + extent, 'ImageDamaged', 'descriptor line 6');
  refusal(start + 'RW 100 SESPARSE "x"\n', 'UnsupportedDisk', 'descriptor line 6');
  refusal(start + 'NOACCESS 100 FLAT "x" 0\n', 'UnsupportedDisk', 'descriptor line 6');
  refusal(start.replace('monolithicFlat', 'fullDevice') + extent, 'UnsupportedDisk', 'createType');
  refusal(start.replace('version=1', 'version=9') + extent, 'UnsupportedDisk', 'version');
  refusal(start.replace('createType="monolithicFlat"\n', '') + extent, 'ImageDamaged', 'createType');
  refusal(start.replace('4cf978', 'none') + extent, 'ImageDamaged', 'CID');
  refusal(start + 'encryptionKeys="vmware:key/list/(pair)"\n' + extent, 'UnsupportedDisk', 'encryptionKeys');
  refusal(start + 'RW 1 ZERO\n'.repeat(4097), 'ImageDamaged', 'extents');
});

test('a snapshot by VirtualBox, whose parent only VirtualBox knows → refused, never read as if there were zeros below', () => {
  const uuid = (value: string): string => `${start}${extent}ddb.uuid.parent="${value}"\nddb.comment=""\n`;
  refusal(uuid('2ebfd8e9-9868-4688-8f3f-97e3f9def370'), 'UnsupportedDisk', 'ddb.uuid.parent');
  assert.equal(parse(uuid('00000000-0000-0000-0000-000000000000')).extents.length, 1);
});

test('what two readers could take differently is refused', () => {
  refusal(start + 'CID=12345678\n' + extent, 'ImageDamaged', 'CID');
  assert.equal(parse(start + 'CID=4cf978\n' + extent).cid, '004cf978');
  refusal(start + 'parentFileNameHint="base.vmdk"\n' + extent, 'ImageDamaged', 'parentCID');
  refusal(start.replace('ffffffff', '12345678') + extent, 'ImageDamaged', 'parentFileNameHint');
  refusal(
    start.replace('ffffffff', '12345678') + 'parentFileNameHint="a\x01b"\n',
    'ImageDamaged',
    'parentFileNameHint',
  );
});
