import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definitionDifferences } from '../../../../engine/model/definition-differences.ts';
import type { MachineDefinition } from '../../../../engine/model/machine.ts';
import { runCkpt } from '../../../support/ckpt.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { lab as machine, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf } from './copies-lab.ts';

findQemuOnce();

test('two checkpoints differ in what was written between them, to the sector; each with itself in nothing', async (context) => {
  const { engine, place, points } = await copiesLab(context);
  await engine.service.take({ machine, name: 'before' }, {});
  await writeToNow(await machineOf(engine), 7, 8 * 1024, 1536);
  await writeToNow(await machineOf(engine), 7, 128 * 1024, 512);
  await engine.service.take({ machine, name: 'after' }, {});

  const compared = await engine.compare.compare({ machine, checkpoint: 'before', other: 'after' }, {});
  assert.deepEqual(compared.disks, [
    {
      disk: 'disk0',
      in: 'both',
      isSame: false,
      differingBytes: 2048,
      differingRanges: 2,
      ranges: [
        { offset: 8 * 1024, length: 1536 },
        { offset: 128 * 1024, length: 512 },
      ],
      virtualSizeBytes: 192 * 1024,
    },
  ]);
  assert.deepEqual([compared.isSame, compared.checkpoint.name, compared.other.name], [false, 'before', 'after']);
  assert.deepEqual(compared.settings, []);

  for (const name of Object.keys(points).filter((one) => one !== 'Now')) {
    const { isSame, disks } = await engine.compare.compare({ machine, checkpoint: 'after', other: name }, {});
    assert.equal(isSame, false, name);
    assert.ok((disks[0]?.differingBytes ?? 0) > 0, name);
    assert.equal((await engine.compare.compare({ machine, checkpoint: name, other: name }, {})).isSame, true, name);
  }

  const limited = await engine.compare.compare({ machine, checkpoint: 'before', other: 'after', limit: 1 }, {});
  assert.deepEqual([limited.disks[0]?.ranges.length, limited.disks[0]?.differingRanges], [1, 2]);
  const { stdout } = await runCkpt(place.home, ['compare', machine, 'before', 'after']);
  assert.equal(stdout, 'disk0: 2048 bytes differ, in 2 ranges\n  8192  1536\n  131072  512\n');
  await assert.rejects(engine.compare.compare({ machine, checkpoint: 'before', other: 'nothing' }, {}), {
    code: 'CheckpointNotFound',
  });
});

test('settings that differ are named by their path, whichever has them', () => {
  const one: MachineDefinition = {
    id: 'i',
    name: 'lab',
    host: 'qemu',
    created: '2026-11-21T09:15:03.000Z',
    memoryMiB: 256,
    cpus: 1,
    tpm: true,
    disks: [{ id: 'disk0', virtualSizeBytes: 1024 }],
  };
  const { tpm: _, ...other } = {
    ...one,
    memoryMiB: 512,
    firmware: 'uefi' as const,
    disks: [
      { id: 'disk1', virtualSizeBytes: 512 },
      { id: 'disk0', virtualSizeBytes: 2048 },
    ],
  };
  assert.deepEqual(definitionDifferences(one, one), []);
  assert.deepEqual(definitionDifferences(one, other), [
    { setting: 'memoryMiB', checkpoint: '256', other: '512' },
    { setting: 'tpm', checkpoint: 'true' },
    { setting: 'disks.disk0.virtualSizeBytes', checkpoint: '1024', other: '2048' },
    { setting: 'firmware', other: 'uefi' },
    { setting: 'disks.disk1.virtualSizeBytes', other: '512' },
  ]);
});
