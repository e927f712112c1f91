import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isLockWanted, takeWanted } from '../../../../engine/store/lock-wanted.ts';
import { withLock } from '../../../../engine/store/machine-lock.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const folder = folderOfSuite();
const merge = { operation: 'merge', face: 'a job' };

test('a merge holds the lock, a take wants it → the merge learns who waits, and the take has it once it is given up', async () => {
  const file = path.join(folder, 'yielding');
  const done: string[] = [];
  let take: Promise<void> | undefined;
  await withLock(file, 'it', merge, async () => {
    take = withLock(file, 'it', { operation: 'take', face: 'ckpt' }, async () => {
      done.push('take');
      return Promise.resolve();
    });
    while (!isLockWanted(file)) {
      await delay(5);
    }
    assert.deepEqual(await takeWanted(file), { operation: 'take', face: 'ckpt' });
    assert.equal(isLockWanted(file), false);
    // Longer than anybody waits for other holders, and it asks again.
    await delay(700);
    assert.equal(isLockWanted(file), true);
    done.push('merge');
  });
  await take;
  assert.deepEqual(done, ['merge', 'take']);
});

for (const { operation, holder } of [
  { operation: 'prune', holder: merge },
  { operation: 'merge', holder: merge },
  { operation: 'take', holder: { operation: 'delete', face: 'ckpt' } },
]) {
  test(`${operation} while a ${holder.operation} holds the lock → refused, and nobody is asked to give way`, async () => {
    const file = path.join(folder, `${operation}-${holder.operation}`);
    await withLock(file, 'it', holder, async () => {
      await assert.rejects(
        withLock(file, 'it', { operation, face: 'ckpt' }, () => Promise.resolve()),
        { code: 'Locked' },
      );
      assert.equal(isLockWanted(file), false);
    });
  });
}
