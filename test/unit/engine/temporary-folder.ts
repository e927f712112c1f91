import { mkdtempSync, realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, type TestContext } from 'node:test';

/** A folder that goes away with the test that asked for it. */
export async function folderOf(context: TestContext): Promise<string> {
  const folder = await mkdtemp(beginning());
  context.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A folder that goes away with the suite, or the file of tests, in whose body it is asked for. */
export function folderOfSuite(): string {
  const folder = mkdtempSync(beginning());
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

function beginning(): string {
  return path.join(realpathSync(tmpdir()), 'ckpt-');
}
