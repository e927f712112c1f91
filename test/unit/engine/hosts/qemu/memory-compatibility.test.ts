import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestArguments } from '../../../../../engine/hosts/qemu/command-line.ts';
import { memoryDifferences, requireCompatible } from '../../../../../engine/hosts/qemu/memory-compatibility.ts';
import type { HypervisorIdentity } from '../../../../../engine/model/saved-memory.ts';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { definition } from '../../builders.ts';

const lab = definition({ memoryMiB: 256, cpus: 1 });
const saved: HypervisorIdentity = {
  version: '7.2.22',
  accelerator: 'kvm',
  processor: 'Xeon',
  guestArguments: guestArguments(lab, 'pc-q35-7.2', 'kvm'),
};
const withMachine = (change: object, machineType = 'pc-q35-7.2'): HypervisorIdentity => ({
  ...saved,
  guestArguments: guestArguments({ ...lab, ...change }, machineType, 'kvm'),
});

const cases: readonly (readonly [string, HypervisorIdentity, string, RegExp, RegExp])[] = [
  ['another QEMU', { ...saved, version: '9.0.0' }, 'QEMU version', /^7\.2\.22$/, /^9\.0\.0$/],
  ['another processor', { ...saved, processor: 'Epyc' }, 'processor', /^Xeon$/, /^Epyc$/],
  ['another machine type', withMachine({}, 'pc-q35-9.0'), 'machine type', /^pc-q35-7\.2$/, /^pc-q35-9\.0$/],
  ['more memory', withMachine({ memoryMiB: 512 }), 'memory size', /^256M$/, /^512M$/],
  ['more CPUs', withMachine({ cpus: 2 }), 'number of CPUs', /^1$/, /^2$/],
  ['UEFI', withMachine({ firmware: 'uefi' }), 'machine type', /^pc-q35-7\.2$/, /pflash0/],
  ['a TPM more', withMachine({ tpm: true }), 'devices', /^none$/, /^tpm-tis/],
  ['a disk less', withMachine({ disks: [] }), 'devices', /^virtio-blk-pci/, /^none$/],
  ['another network card', withMachine({ macAddress: '52:54:00:00:00:01' }), 'devices', /34:56/, /00:01/],
];

test('the same, and the same with another UUID → resumes', () => {
  assert.deepEqual(memoryDifferences(saved, saved), []);
  assert.deepEqual(memoryDifferences(saved, withMachine({ id: '99999999-2222-4333-8444-555555555555' })), []);
});

for (const [change, here, what, expected, found] of cases) {
  test(`${change} → MemoryNotCompatible, saying ${what}, expected and found, and offering disks only`, () => {
    const differences = memoryDifferences(saved, here);
    assert.deepEqual(
      differences.map((one) => one.what),
      [what],
    );
    assert.match(differences[0]?.expected ?? '', expected);
    assert.match(differences[0]?.found ?? '', found);
    assert.throws(
      () => requireCompatible(saved, here),
      (error) =>
        error instanceof CheckpointError &&
        error.code === 'MemoryNotCompatible' &&
        error.message.includes(what) &&
        error.message.includes('--disks-only') &&
        JSON.stringify(error.data['waysOut']) === '["disksOnly"]',
    );
  });
}

test('another accelerator → said, with its CPU model, and not the processor too', () => {
  const here: HypervisorIdentity = {
    version: saved.version,
    accelerator: 'tcg',
    guestArguments: guestArguments(lab, 'pc-q35-7.2', 'tcg'),
  };
  assert.deepEqual(
    memoryDifferences(saved, here).map(({ what }) => what),
    ['accelerator', 'CPU model'],
  );
});
