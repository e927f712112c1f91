import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointRecord, machineRecord, nowRecord, recordVersion } from '../../../../engine/store/records.ts';
import { checkpoint, definition } from '../builders.ts';

test('paths in records lie inside the folder', () => {
  const paths: [text: string, isInside: boolean][] = [
    ['layers/disk0-1a2b3c4d.qcow2', true],
    ['a', true],
    ['a/b/c.d', true],
    ['', false],
    ['/etc/passwd', false],
    ['../other/layers/disk0.qcow2', false],
    ['layers/../../x', false],
    ['layers/./x', false],
    ['layers//x', false],
    ['layers/', false],
    ['.hidden', true],
    ['win 11-1a2b3c4d.vhdx', true],
    ['..', false],
    ['layers\\x', false],
    ['C:x', false],
    ['layers/a b', false],
    ['layers/x\n', false],
    ['layers/\0', false],
    ['x'.repeat(256), false],
  ];
  for (const [text, isInside] of paths) {
    const parsed = nowRecord.safeParse({ version: recordVersion, activeLayers: { disk0: text } });
    assert.equal(parsed.success, isInside, JSON.stringify(text));
  }
});

test('disks are called disk0, disk1, …', () => {
  for (const id of ['disk', 'disk0,x', 'DISK0', 'disk0000', '']) {
    const activeLayers: unknown = JSON.parse(`{${JSON.stringify(id)}:"layers/a"}`);
    assert.ok(!nowRecord.safeParse({ version: recordVersion, activeLayers }).success, id);
  }
});

test('a machine as we write it is believed; with anything foreign or out of bounds it is not', () => {
  const good = { version: recordVersion, ...definition() };
  assert.ok(machineRecord.safeParse(good).success);
  const changes: Record<string, unknown>[] = [
    { version: recordVersion + 1 },
    { version: '1' },
    { extra: 1 },
    { id: '../x' },
    { id: 'ABCDEF01' },
    { name: '' },
    { host: 'other' },
    { created: 'yesterday' },
    { memoryMiB: 0 },
    { memoryMiB: 2 ** 53 },
    { memoryMiB: 1.5 },
    { cpus: 1e9 },
    { macAddress: '52:54:00:12:34:56,script=x' },
    { disks: [] },
    { disks: [{ id: 'disk0', virtualSizeBytes: -1 }] },
    { disks: [{ id: 'disk0', virtualSizeBytes: 512, cache: 'none' }] },
    { directBoot: { kernel: '/boot/vmlinuz', commandLine: '' } },
  ];
  for (const change of changes) {
    assert.ok(!machineRecord.safeParse({ ...good, ...change }).success, JSON.stringify(change));
  }
});

test('a manifest as we write it is believed; with anything foreign or out of bounds it is not', () => {
  const good = { version: recordVersion, ...checkpoint('0123abcd') };
  assert.ok(checkpointRecord.safeParse(good).success);
  const changes: Record<string, unknown>[] = [
    { version: 2 },
    { id: '../../x' },
    { parent: null },
    { name: 'x'.repeat(201) },
    { createdBy: 'nobody' },
    { consistency: 'perfect' },
    { layers: ['layers/a'] },
    { expires: 'soon' },
    { pauseMs: -1 },
    { hasMemory: true },
    { memory: { file: '/dev/mem', sizeBytes: 1, wasPaused: false, hypervisor: {} } },
    { definition: { ...definition(), program: 'sh' } },
  ];
  for (const change of changes) {
    assert.ok(!checkpointRecord.safeParse({ ...good, ...change }).success, JSON.stringify(change));
  }
});
