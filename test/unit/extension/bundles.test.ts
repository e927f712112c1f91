import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { projectFolder } from '../../support/project.ts';

const bundle = (name: string): Promise<string> => readFile(path.join(projectFolder, 'dist', name), 'utf8');
const interfaces = (text: string): number => text.split('require("vscode")').length - 1;

test('what activates is read without the library for the connection, which is required from its own file', async () => {
  const text = await bundle('extension.js');
  assert.ok(text.includes('require("./engine-connection.js")'));
  // VS Code gives its interface to `require` alone.
  assert.ok(!/\bimport\(/.test(text));
  assert.ok(!text.includes('Content-Length'));
  assert.ok((await bundle('engine-connection.js')).includes('Content-Length'));
});

test('both have VS Code’s interface once, not once a module', async () => {
  assert.deepEqual([await bundle('extension.js'), await bundle('engine-connection.js')].map(interfaces), [1, 1]);
});
