import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { structureChecksum } from '../../../../../engine/disks/vhdx/crc32c.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { headerOffsets, regionTableBytes, regionTableOffsets } from '../../../../../engine/disks/vhdx/structures.ts';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { FuzzCorpus } from '../../../../support/disks/fuzz-corpus.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import {
  fuzzOpen,
  mutated,
  openHostile,
  randomMutations,
  type Mutation,
  type MutationRange,
} from '../../../../support/disks/mutate.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const random = seededRandom();
/** For each place and image; more for a longer run. */
const rounds = Number(process.env['CKPT_FUZZ_ROUNDS'] ?? 1250);
const seen = new FuzzCorpus(import.meta.dirname);
const sizeBytes = 12 * mebibyte;

const places = {
  headers: headerOffsets.map((offset) => ({ offset, length: 80 })),
  regionTables: regionTableOffsets.map((offset) => ({ offset, length: 16 + 3 * 32 })),
  log: [
    { offset: mebibyte, length: 256 },
    { offset: mebibyte, length: 64 * 1024 },
  ],
  metadataTable: [{ offset: 2 * mebibyte, length: 32 + 7 * 32 }],
  metadataItems: [{ offset: 2 * mebibyte + 64 * 1024, length: 400 }],
  bat: [
    { offset: 3 * mebibyte, length: 12 * 8 },
    { offset: 3 * mebibyte + 4096 * 8, length: 8 },
  ],
} satisfies Record<string, MutationRange[]>;

/** Mends the checksums of headers, region tables and log entries, so that what they guard is believed. */
function reseal(file: MemoryFile): void {
  const structures = [
    ...headerOffsets.map((at) => ({ at, length: 4096 })),
    ...regionTableOffsets.map((at) => ({ at, length: regionTableBytes })),
  ];
  for (let at = mebibyte; at < mebibyte + 64 * 1024; at += 4096) {
    const length = file.peek(at + 8, 4).readUInt32LE();
    if (file.peek(at, 4).toString('latin1') === 'loge' && length <= 256 * 1024 && length >= 64) {
      structures.push({ at, length });
    }
  }
  for (const { at, length } of structures) {
    const structure = file.peek(at, length);
    structure.writeUInt32LE(structureChecksum(structure, 4), 4);
    file.apply({ kind: 'write', offset: at, content: structure });
  }
}

async function images(): Promise<{ clean: MemoryFile; dirty: MemoryFile; child: MemoryFile }> {
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const layer = await openChain(base);
  for (let block = 0; block < 12; block += 2) {
    await layer.write(taggedContent(block * mebibyte, 70_000, block + 1), block * mebibyte);
    await layer.flush();
  }
  await layer.zero(4 * mebibyte, mebibyte);
  await layer.flush();
  // Left as if the power had gone: with entries in the log.
  const dirty = base.copy();
  await layer.close();
  const child = await newChild(frozen(base), { blockBytes: mebibyte });
  const childLayer = await openChain(child, frozen(base));
  for (let block = 0; block < 12; block += 3) {
    await childLayer.write(taggedContent(block * mebibyte + 1000, 5000, block + 50), block * mebibyte + 1000);
  }
  await childLayer.flush();
  return { clean: base, dirty, child };
}

for (const [place, ranges] of Object.entries(places)) {
  test(`hostile images: ${place}`, async () => {
    const { clean, dirty, child } = await images();
    const parent = await openChain(frozen(clean));
    for (const [name, image] of Object.entries({ dirty, child })) {
      const { opened, refused } = await fuzzOpen(vhdxDriver, image, ranges, {
        ...{ random, rounds, parent, reseal },
        corpus: { all: seen, image: `${name}, ${place}` },
      });
      console.log(
        `${place}: ${opened} opened, refused: ${[...refused].map(([code, count]) => `${code} ${count}`).join(', ')}`,
      );
      for (const code of refused.keys()) {
        assert.ok(['ImageDamaged', 'UnsupportedDisk', 'ParentMismatch'].includes(code), code);
      }
    }
  });
}

test('hostile images that are opened for writing: replay, write, compact and close end well or with a CheckpointError', async () => {
  const { dirty, child, clean } = await images();
  const parent = await openChain(frozen(clean));
  let survived = 0;
  for (const image of [dirty, child]) {
    for (let round = 0; round < rounds / 8; round++) {
      const mutations = randomMutations(image, Object.values(places).flat(), random);
      const file = mutated(image, mutations);
      if (round % 2 === 1) {
        reseal(file);
      }
      try {
        await change(file, parent);
        survived++;
      } catch (error) {
        assert.ok(error instanceof CheckpointError, new Error(JSON.stringify(mutations), { cause: error }));
      }
    }
  }
  assert.ok(survived > rounds / 80);
});

async function change(file: MemoryFile, parent: Layer): Promise<void> {
  const layer = await vhdxDriver.open({ file });
  try {
    if (layer.parentReference !== undefined) {
      layer.attachParent(parent);
    }
    const last = Math.max(0, layer.virtualSizeBytes - 100_000);
    for (const offset of [0, 2 * mebibyte + 1000, last]) {
      const content = Buffer.alloc(Math.min(5000, layer.virtualSizeBytes), 0x77);
      await layer.write(content, Math.min(offset, last));
      const found = Buffer.alloc(content.length);
      await layer.read(found, Math.min(offset, last));
      assert.ok(found.equals(content), 'what was written is read');
    }
    await layer.zero(0, Math.min(layer.virtualSizeBytes, 3 * mebibyte));
    await layer.flush();
    await layer.check({ repair: true });
    await layer.compact({});
  } finally {
    await layer.close();
  }
}

/** What once went wrong, or came near: kept for good. */
const corpus: { what: string; mutations: Mutation[] }[] = [
  { what: 'cut off inside the header section', mutations: [{ truncateTo: 70_000 }] },
  { what: 'an empty file', mutations: [{ truncateTo: 0 }] },
  { what: 'a log of 4 GiB', mutations: headerOffsets.map((offset) => ({ offset: offset + 68, hex: '0000f0ff' })) },
  { what: 'a BAT entry far outside', mutations: [{ offset: 3 * mebibyte, hex: '0600f0ffffffffff' }] },
  { what: 'a disk of 2^64 - 1 bytes', mutations: [{ offset: 2 * mebibyte + 64 * 1024 + 8, hex: 'ffffffffffffffff' }] },
];

for (const { what, mutations } of corpus) {
  test(`corpus: ${what}`, async () => {
    const { dirty } = await images();
    const file = mutated(dirty, mutations);
    if (file.sizeBytes > 320 * 1024) {
      reseal(file);
    }
    await openHostile(vhdxDriver, file, { random });
  });
}
