import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  endsBackgroundSnapshots,
  opensMemoryFiles,
  seesAllWrites,
} from '../../../../../engine/hosts/qemu/qemu-version.ts';

for (const [version, ends, opens] of [
  ['7.2.22', false, false],
  ['8.0.5', false, false],
  ['8.1.0', true, false],
  ['9.0.2', true, false],
  ['9.1', true, true],
  ['10.0.2', true, true],
  ['11.1.3', true, true],
] as const) {
  test(`QEMU ${version}: background snapshots ${ends ? 'may' : 'must not'} be cancelled, memory files are ${opens ? 'opened by name' : 'passed'}`, () => {
    assert.equal(endsBackgroundSnapshots(version), ends);
    assert.equal(opensMemoryFiles(version), opens);
  });
}

for (const [version, accelerator, sees] of [
  ['7.2.22', 'tcg', false],
  ['8.2.10', 'tcg', false],
  ['9.0.0', 'tcg', true],
  ['11.1.0', 'tcg', true],
  ['7.2.22', 'kvm', true],
  ['7.2.22', 'hvf', true],
] as const) {
  test(`QEMU ${version} with ${accelerator}: ${sees ? 'knows' : 'loses sight of'} what a running guest writes`, () => {
    assert.equal(seesAllWrites({ version, accelerator }), sees);
  });
}
