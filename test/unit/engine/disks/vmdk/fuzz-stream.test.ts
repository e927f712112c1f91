import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskFile } from '../../../../../engine/disks/disk-file.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { FuzzCorpus } from '../../../../support/disks/fuzz-corpus.ts';
import { fuzzOpen } from '../../../../support/disks/mutate.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { descriptor, field, Folder, sector, sparse, stream } from './made-images.ts';

const random = seededRandom();
const rounds = Number(process.env['CKPT_FUZZ_ROUNDS'] ?? 7000);
const corpus = new FuzzCorpus(import.meta.dirname);

test(`fuzz: ${rounds} mutated streams`, async () => {
  const image = await stream();
  const footer = image.sizeBytes - 1024;
  const gd = Number(image.peek(footer + field.gdOffset, 8).readBigUInt64LE()) * sector;
  const table = image.peek(gd, 4).readUInt32LE() * sector;
  const { opened } = await fuzzOpen(
    vmdkDriver,
    image,
    [
      { offset: 0, length: 80 },
      { offset: footer - sector, length: 1536 },
      { offset: footer, length: 80 },
      { offset: gd, length: 12 },
      { offset: table + 60, length: 40 },
      { offset: 128 * sector, length: 4096 },
    ],
    { random, rounds, corpus: { all: corpus, image: 'stream' } },
  );
  assert.ok(opened > rounds / 20 && opened < rounds, `${opened} of ${rounds} opened`);
});

test('fuzz: mutated descriptors with extents beside them → never anything but those', async () => {
  const folder = new Folder();
  folder.files.set('/memory/flat', new MemoryFile('/memory/flat', Buffer.alloc(64 * sector)));
  folder.files.set('/memory/sparse', await sparse());
  const image = descriptor('RW 64 FLAT "flat" 0', 'RW 1000 SPARSE "sparse"', 'RW 5 ZERO', 'ddb.adapterType = "ide"');
  const asked = new Set<string>();
  const driver = {
    ...vmdkDriver,
    open: (options: { file: DiskFile }) =>
      vmdkDriver.open({
        ...options,
        openOther: (path) => {
          asked.add(path);
          return folder.open(path);
        },
      }),
  };
  await fuzzOpen(driver, image, [{ offset: 0, length: image.sizeBytes }], {
    ...{ random, rounds },
    corpus: { all: corpus, image: 'descriptor' },
  });
  assert.equal(folder.opened, folder.closed);
  for (const path of asked) {
    assert.match(path, /^\/memory\/[^/\\:]+$/);
  }
});
