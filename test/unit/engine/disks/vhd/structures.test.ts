import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checksumOf,
  diskSizeBytes,
  footerTable,
  newFooter,
  noDataOffset,
} from '../../../../../engine/disks/vhd/footer.ts';
import { geometryOf } from '../../../../../engine/disks/vhd/geometry.ts';
import {
  locatorBytes,
  parentLocatorsFor,
  parentPaths,
  unicodeNameBytes,
  unicodeNameText,
} from '../../../../../engine/disks/vhd/parent-locator.ts';
import { SectorBitmap } from '../../../../../engine/disks/vhd/sector-bitmap.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { gib, mib } from './vhd-images.ts';

describe('geometry', () => {
  // Total sectors, and what Virtual PC, Windows and QEMU make of them.
  const known: [sectors: number, cylinders: number, heads: number, sectorsPerTrack: number][] = [
    [(4 * mib) / 512, 120, 4, 17],
    [4212736 / 512, 121, 4, 17],
    [gib / 512, 2080, 16, 63],
    [136365211648 / 512, 65278, 16, 255],
    [(2040 * gib) / 512, 65535, 16, 255],
  ];
  for (const [sectors, cylinders, heads, sectorsPerTrack] of known) {
    test(`${sectors} sectors → ${cylinders}/${heads}/${sectorsPerTrack}`, () => {
      assert.deepEqual(geometryOf(sectors), { cylinders, heads, sectorsPerTrack });
    });
  }

  test('never more than the disk, and always what the fields can hold', () => {
    const random = seededRandom();
    for (let round = 0; round < 20000; round++) {
      const sectors = 1 + Math.floor(Math.exp(random() * Math.log((2040 * gib) / 512)));
      const { cylinders, heads, sectorsPerTrack } = geometryOf(sectors);
      assert.ok(cylinders * heads * sectorsPerTrack <= sectors, `${sectors}`);
      assert.ok(cylinders <= 65535 && heads <= 16 && sectorsPerTrack <= 255, `${sectors}`);
    }
  });
});

describe('footer', () => {
  const byCreator: [creator: string, size: 'geometry' | 'current size'][] = [
    ['vpc ', 'geometry'],
    ['vs  ', 'geometry'],
    ['qemu', 'geometry'],
    ['qem2', 'current size'],
    ['win ', 'current size'],
    ['d2v\0', 'current size'],
    ['tap\0', 'current size'],
    ['vbox', 'current size'],
    ['wa\0\0', 'current size'],
  ];
  for (const [creator, rule] of byCreator) {
    test(`a disk by ${JSON.stringify(creator)} has the size of its ${rule}`, () => {
      const { values } = newFooter(2, 10 * mib, noDataOffset);
      const bytes = diskSizeBytes({ ...values, creatorApplication: Buffer.from(creator, 'latin1') });
      const { cylinders, heads, sectorsPerTrack } = geometryOf((10 * mib) / 512);
      assert.equal(Number(bytes), rule === 'geometry' ? cylinders * heads * sectorsPerTrack * 512 : 10 * mib);
    });
  }

  test('the largest geometry says nothing: a larger disk by Virtual PC has its current size', () => {
    const { values } = newFooter(2, 200 * gib, noDataOffset);
    assert.equal(Number(diskSizeBytes({ ...values, creatorApplication: Buffer.from('vpc ') })), 200 * gib);
  });

  test('the checksum is the complement of the sum of all other bytes', () => {
    const bytes = Buffer.alloc(512);
    bytes.writeUInt8(5, 0);
    bytes.writeUInt8(7, 511);
    bytes.writeUInt32BE(0xdeadbeef, footerTable.checksum.offset);
    assert.equal(checksumOf(bytes, footerTable.checksum), 0xffffffff - 12);
  });
});

describe('sector bitmap', () => {
  test('the most significant bit is the first sector', () => {
    const bitmap = SectorBitmap.from(Buffer.from([0x80, 0x01, 0xff]), 24);
    const set = Array.from({ length: 24 }, (_, sector) => sector).filter((sector) => bitmap.has(sector));
    assert.deepEqual(set, [0, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
  });

  test('any sequence of sets → the same as an array of booleans', () => {
    const random = seededRandom();
    for (let round = 0; round < 300; round++) {
      const sectors = 1 + Math.floor(random() * 200);
      const bitmap = SectorBitmap.empty(sectors);
      const model = Array<boolean>(sectors).fill(false);
      for (let step = 0; step < 30 && !bitmap.isFull; step++) {
        const from = Math.floor(random() * sectors);
        const to = from + 1 + Math.floor(random() * Math.min(40, sectors - from));
        const isNews = model.slice(from, to).includes(false);
        assert.equal(bitmap.set(from, to), isNews);
        model.fill(true, from, to);
        assert.equal(bitmap.isFull, !model.includes(false));
        const again = SectorBitmap.from(bitmap.toBytes(512), sectors);
        for (let sector = 0; sector < sectors; sector++) {
          const value = model[sector];
          const run = model.findIndex((other, index) => index > sector && other !== value);
          assert.equal(bitmap.has(sector), value);
          assert.equal(again.has(sector), value);
          assert.equal(bitmap.runEnd(sector, sectors), run < 0 ? sectors : run);
        }
      }
    }
  });

  test('padding behind the last sector counts for nothing, and is written as zeros', () => {
    const bitmap = SectorBitmap.from(Buffer.alloc(512, 0xff), 12);
    assert.ok(bitmap.isFull);
    assert.deepEqual(bitmap.toBytes(512).subarray(0, 3), Buffer.from([0xff, 0xf0, 0]));
  });
});

describe('parent locators', () => {
  test('relative ones first, then the bare name, then what is absolute here', () => {
    const locators = [
      { platformCode: 'W2ku', text: 'C:\\vm\\base\\parent.vhd' },
      { platformCode: 'W2ru', text: '..\\base\\parent.vhd' },
    ] as const;
    assert.deepEqual(parentPaths(locators, 'parent.vhd', 'linux'), ['../base/parent.vhd', 'parent.vhd']);
    assert.deepEqual(parentPaths(locators, 'C:\\vm\\base\\parent.vhd', 'win32'), [
      '..\\base\\parent.vhd',
      'parent.vhd',
      'C:\\vm\\base\\parent.vhd',
    ]);
  });

  test('a Mac and Xen file URL', () => {
    const paths = (text: string): string[] => parentPaths([{ platformCode: 'MacX', text }], '', 'linux');
    assert.deepEqual(paths('file://./a%20b.vhd'), ['./a b.vhd']);
    assert.deepEqual(paths('file://localhost/vm/a.vhd'), ['a.vhd', '/vm/a.vhd']);
    assert.deepEqual(paths('file:///vm/a.vhd'), ['a.vhd', '/vm/a.vhd']);
    assert.deepEqual(paths('file://./%zz'), []);
    assert.deepEqual(paths('http://host/a.vhd'), []);
  });

  test('a share is not asked for anything where it would be a path of its own kind', () => {
    assert.deepEqual(parentPaths([{ platformCode: 'W2ku', text: '\\\\host\\share\\a.vhd' }], '', 'linux'), ['a.vhd']);
  });

  test('what is written is read again, on either system', () => {
    for (const platform of ['linux', 'win32'] as const) {
      for (const relativePath of ['base.vhd', 'été 日本.vhd', platform === 'linux' ? '../a/b.vhd' : '..\\a\\b.vhd']) {
        const { locators, unicodeName } = parentLocatorsFor('/absolute/base.vhd', relativePath, platform);
        const name = unicodeNameText(unicodeNameBytes(unicodeName));
        const dotted = relativePath.startsWith('.')
          ? relativePath
          : `.${platform === 'linux' ? '/' : '\\'}${relativePath}`;
        assert.equal(parentPaths(locators, name, platform)[0], dotted);
        assert.equal(name, relativePath.split(/[\\/]/).at(-1));
      }
    }
  });

  test('forward slashes, as the chain gives them, become Windows’ own', () => {
    for (const platform of ['linux', 'win32'] as const) {
      const { locators, unicodeName } = parentLocatorsFor('/vm/a/b.vhd', '../a/b.vhd', platform);
      assert.deepEqual(locators[0], { platformCode: 'W2ru', text: '..\\a\\b.vhd' });
      assert.equal(unicodeName, 'b.vhd');
    }
    const { locators } = parentLocatorsFor('D:\\vm\\b.vhd', 'D:/vm/b.vhd', 'win32');
    assert.deepEqual(locators, [{ platformCode: 'W2ku', text: 'D:\\vm\\b.vhd' }]);
  });

  test('the Windows form is little-endian UTF-16 that begins with .\\, the name big-endian', () => {
    const { locators } = parentLocatorsFor('/vm/p.vhd', 'p.vhd', 'linux');
    const relative = locators.find((locator) => locator.platformCode === 'W2ru');
    assert.equal(relative === undefined ? '' : locatorBytes(relative).toString('hex'), '2e005c0070002e00760068006400');
    assert.equal(unicodeNameBytes('p.vhd').toString('hex', 0, 12), '0070002e0076006800640000');
  });

  test('a name with a backslash finds its way through the URL', () => {
    const { locators, unicodeName } = parentLocatorsFor('/vm/a\\b.vhd', 'a\\b.vhd', 'linux');
    assert.ok(parentPaths(locators, unicodeName, 'linux').includes('./a\\b.vhd'));
  });
});
