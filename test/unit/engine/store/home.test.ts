import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { defaultHome, Home } from '../../../../engine/store/home.ts';

test('VM_CHECKPOINTS_HOME wins on every system', () => {
  for (const platform of ['linux', 'darwin', 'win32'] as const) {
    assert.equal(defaultHome({ VM_CHECKPOINTS_HOME: '/a b, c/é' }, platform).root, '/a b, c/é');
  }
});

test('an empty VM_CHECKPOINTS_HOME counts as none', () => {
  assert.equal(defaultHome({ VM_CHECKPOINTS_HOME: '', XDG_DATA_HOME: '/d' }, 'linux').root, '/d/vm-checkpoints');
});

test('else where the system keeps what applications know', () => {
  assert.equal(defaultHome({}, 'linux').root, path.join(homedir(), '.local/share/vm-checkpoints'));
  assert.equal(defaultHome({}, 'darwin').root, path.join(homedir(), 'Library/Application Support/vm-checkpoints'));
});

test('a relative folder is that of this moment: QEMU runs in another', () => {
  assert.equal(new Home('a').root, path.resolve('a'));
  assert.equal(new Home('a').machines, path.resolve('a/machines'));
});
