import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsBackgroundSnapshots, opensMemoryFiles } from '../../../../../engine/hosts/qemu/qemu-version.ts';

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
