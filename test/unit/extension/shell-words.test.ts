import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { withoutShellWords } from '../../../extension/presentation/shell-words.ts';

test('what to type in a shell goes; what has no command in the editor stays', () => {
  assert.equal(withoutShellWords('Free space (ckpt free-space), then resume it.'), 'Free space, then resume it.');
  assert.equal(
    withoutShellWords('Convert it (ckpt disk convert a b --to qcow2).'),
    'Convert it (ckpt disk convert a b --to qcow2).',
  );
  assert.equal(withoutShellWords('There is no group “a (b)”.'), 'There is no group “a (b)”.');
});

test('sentences of the engine put verbs of the shell, save those of `ckpt disk`, in parentheses', () => {
  const engine = path.resolve(import.meta.dirname, '../../../engine');
  const files = readdirSync(engine, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('cli') && name !== 'main.ts',
  );
  assert.ok(files.length > 100);
  const found = files.flatMap((name) =>
    readFileSync(path.join(engine, name), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(\/?\*|\/\/)/.test(line) && /(?<![(`])ckpt (?!disk\b)[a-z]+(-[a-z]+)?\b/.test(line))
      .map((line) => `${name}: ${line.trim()}`),
  );
  assert.deepEqual(found, []);
});
