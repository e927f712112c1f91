import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { RefreshScope } from '../../../extension/machines/refresh-queue.ts';
import { RefreshQueue } from '../../../extension/machines/refresh-queue.ts';

/** A queue with a clock of its own, whose refreshes end when the test says so. */
function queueUnderTest(): { queue: RefreshQueue; scopes: (string[] | 'all')[]; finish: () => Promise<void> } {
  mock.timers.enable({ apis: ['setTimeout'] });
  const scopes: (string[] | 'all')[] = [];
  let finished: () => void = () => undefined;
  const queue = new RefreshQueue(100, (scope: RefreshScope) => {
    scopes.push(scope === 'all' ? 'all' : [...scope]);
    return new Promise((resolve) => {
      finished = resolve;
    });
  });
  const finish = async (): Promise<void> => {
    finished();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, scopes, finish };
}

test('the first announcement is refreshed at once, those that follow shortly become one refresh', async (context) => {
  context.after(() => mock.timers.reset());
  const { queue, scopes, finish } = queueUnderTest();
  queue.add(new Set(['a']));
  mock.timers.tick(0);
  assert.deepEqual(scopes, [['a']]);
  await finish();
  queue.add(new Set(['b']));
  mock.timers.tick(60);
  queue.add(new Set(['c', 'b']));
  mock.timers.tick(39);
  assert.deepEqual(scopes, [['a']]);
  mock.timers.tick(1);
  mock.timers.tick(0);
  assert.deepEqual(scopes, [['a'], ['b', 'c']]);
  await finish();
  mock.timers.tick(1000);
  queue.add(new Set(['d']));
  mock.timers.tick(0);
  assert.deepEqual(scopes, [['a'], ['b', 'c'], ['d']]);
});

test('everything includes each machine', (context) => {
  context.after(() => mock.timers.reset());
  const { queue, scopes } = queueUnderTest();
  queue.add(new Set(['a']));
  queue.add('all');
  mock.timers.tick(100);
  assert.deepEqual(scopes, ['all']);
});

test('what is announced during a refresh is the next one', async (context) => {
  context.after(() => mock.timers.reset());
  const { queue, scopes, finish } = queueUnderTest();
  queue.add(new Set(['a']));
  mock.timers.tick(100);
  queue.add(new Set(['a']));
  mock.timers.tick(1000);
  assert.deepEqual(scopes, [['a']], 'one refresh at a time');
  await finish();
  mock.timers.tick(100);
  mock.timers.tick(0);
  assert.deepEqual(scopes, [['a'], ['a']]);
});

test('nothing is refreshed after the queue is disposed', (context) => {
  context.after(() => mock.timers.reset());
  const { queue, scopes } = queueUnderTest();
  queue.add('all');
  queue.dispose();
  mock.timers.tick(1000);
  assert.deepEqual(scopes, []);
});
