import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { engineFile } from '../../../support/project.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const home = folderOfSuite();

/** `ckpt list` with its output going elsewhere; null: into a pipe that nobody reads any more. */
async function listInto(stdout: number | null): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [engineFile, 'list', '--json'], {
    env: { ...process.env, VM_CHECKPOINTS_HOME: home },
    stdio: ['ignore', stdout ?? 'pipe', 'pipe'],
  });
  child.stdout?.destroy();
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, stderr };
}

test('the reader of the output goes away, as head does → no word, and an exit code that tells', async () => {
  assert.deepEqual(await listInto(null), { code: 1, stderr: '' });
});

test(
  'the output does not fit on its volume → one sentence, and an exit code that tells',
  { skip: !existsSync('/dev/full') && 'this system has no /dev/full' },
  async () => {
    const full = await open('/dev/full', 'w');
    const { code, stderr } = await listInto(full.fd);
    await full.close();
    assert.equal(code, 1);
    assert.match(stderr, /^ckpt: The volume is full[^\n]*\n$/);
  },
);
