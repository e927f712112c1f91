import assert from 'node:assert/strict';
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { identifyImage } from '../../../../engine/disks/image-format.ts';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { makeFilledImage, makeImage } from './made-images.ts';

const mutationsOfEach = 1000;
/** No single file may take longer, nor all together more memory. */
const limitMs = 2000;
const limitBytes = 256 * 1024 * 1024;

/** Where the structures of each format lie, so that mutations hit them and not the guest's data. Negative: from the end. */
const structures: Record<Exclude<DiskFormat, 'raw'>, [offset: number, length: number][]> = {
  qcow2: [[0, 512]],
  vhd: [
    [0, 2048],
    [-512, 512],
  ],
  vhdx: [
    [0, 128],
    [192 * 1024, 128],
    [256 * 1024, 128],
    [2 * 1024 * 1024, 320],
    [2 * 1024 * 1024 + 64 * 1024, 64],
  ],
  vmdk: [[0, 2048]],
};

/** Whatever the file holds: known for what it is, or refused in our words. Never a hang, never anything else. */
async function identifyOrRefuse(file: string): Promise<'known' | 'refused'> {
  const started = performance.now();
  const outcomes = await Promise.allSettled([identifyImage(file), openChain(file).then((chain) => chain.close())]);
  assert.ok(performance.now() - started < limitMs, 'it took too long');
  for (const outcome of outcomes) {
    assert.ok(
      outcome.status === 'fulfilled' || outcome.reason instanceof CheckpointError,
      outcome.status === 'rejected' ? String(outcome.reason) : '',
    );
  }
  return outcomes[0].status === 'fulfilled' ? 'known' : 'refused';
}

describe('images that were damaged or made to harm', () => {
  const random = seededRandom();
  const images: { format: keyof typeof structures; file: string }[] = [];
  const folder = folderOfSuite();
  let memoryBefore = 0;

  before(async () => {
    for (const format of ['qcow2', 'vhd', 'vhdx', 'vmdk'] as const) {
      images.push({ format, file: await makeFilledImage(folder, `disk.${format}`, format) });
    }
    const backing = { file: 'disk.qcow2', format: 'qcow2' as const };
    images.push({ format: 'qcow2', file: await makeImage(folder, 'layer', 'qcow2', { backing }) });
    memoryBefore = process.memoryUsage.rss();
  });
  after(() => {
    assert.ok(process.memoryUsage.rss() - memoryBefore < limitBytes, 'too much memory was used');
  });

  it('cut off at every 512 bytes up to 4 KiB, and once more in the middle → known or refused', async () => {
    for (const { file } of images) {
      const { size } = await stat(file);
      const lengths = Array.from({ length: 9 }, (_, index) => index * 512);
      for (const length of [...lengths, Math.floor(size / 2), size - 1]) {
        const copy = path.join(folder, 'cut');
        await copyFile(file, copy);
        await truncate(copy, length);
        await identifyOrRefuse(copy);
        if (length === 0) {
          await assert.rejects(identifyImage(copy), { code: 'NotADiskImage' });
        }
      }
    }
  });

  it(`${mutationsOfEach} random changes of the structures of each → known or refused`, async (context) => {
    for (const { file, format } of images) {
      const counts = { known: 0, refused: 0 };
      const copy = path.join(folder, 'mutated');
      await copyFile(file, copy);
      const handle = await open(copy, 'r+');
      try {
        const { size } = await handle.stat();
        for (let mutation = 0; mutation < mutationsOfEach; mutation++) {
          const [start, length] = structures[format][Math.floor(random() * structures[format].length)] ?? [0, 512];
          const width = [1, 2, 4, 8][Math.floor(random() * 4)] ?? 1;
          const offset = Math.min((start < 0 ? size : 0) + start + Math.floor(random() * length), size - width);
          const original = Buffer.alloc(width);
          await handle.read(original, 0, width, offset);
          const extreme = [0x00, 0xff, 0x7f, undefined][Math.floor(random() * 4)];
          const changed = Buffer.from(original.map(() => extreme ?? Math.floor(random() * 256)));
          await handle.write(changed, 0, width, offset);
          counts[await identifyOrRefuse(copy)]++;
          await handle.write(original, 0, width, offset);
        }
      } finally {
        await handle.close();
      }
      context.diagnostic(`${path.basename(file)}: ${counts.known} known, ${counts.refused} refused`);
    }
  });
});
