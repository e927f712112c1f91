import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { lastWords } from '../../../extension/engine/last-words.ts';

function wordsOf(...args: string[]): string | undefined {
  return lastWords(spawnSync(process.execPath, args, { encoding: 'utf8' }).stderr.split('\n'));
}

test('what Node prints when a script is missing', () => {
  assert.match(wordsOf('/nonexistent/engine.js') ?? '', /^Error: Cannot find module '.*engine\.js'$/);
});

test('what Node prints of an error that nobody caught', () => {
  assert.equal(wordsOf('-e', 'throw new TypeError("no such thing: x")'), 'TypeError: no such thing: x');
  assert.equal(wordsOf('-e', 'console.error("bye"); process.exit(3)'), 'bye');
  assert.equal(wordsOf('-e', ''), undefined);
});
