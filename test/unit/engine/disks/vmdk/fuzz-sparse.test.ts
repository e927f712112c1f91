import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { FuzzCorpus } from '../../../../support/disks/fuzz-corpus.ts';
import { fuzzOpen } from '../../../../support/disks/mutate.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { field, sector, sparse } from './made-images.ts';

const random = seededRandom();
const rounds = Number(process.env['CKPT_FUZZ_ROUNDS'] ?? 7000);
const corpus = new FuzzCorpus(import.meta.dirname);

test(`fuzz: ${rounds} mutated headers, directories, tables and descriptors of a sparse image`, async () => {
  const image = await sparse();
  const gd = Number(image.peek(field.gdOffset, 8).readBigUInt64LE()) * sector;
  const table = image.peek(gd, 4).readUInt32LE() * sector;
  const { opened } = await fuzzOpen(
    vmdkDriver,
    image,
    [
      { offset: 0, length: 80 },
      { offset: sector, length: 400 },
      { offset: gd, length: 12 },
      { offset: table, length: 2048 },
    ],
    { random, rounds, corpus: { all: corpus, image: 'sparse' } },
  );
  assert.ok(opened > rounds / 20 && opened < rounds, `${opened} of ${rounds} opened`);
});
