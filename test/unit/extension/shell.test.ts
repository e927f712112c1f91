import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { commandLine } from '../../../extension/console/command-line.ts';
import { posixShim, windowsShim } from '../../../extension/console/shims.ts';

test('command lines are quoted for the shell', () => {
  assert.equal(commandLine(['start', 'playground'], 'linux'), 'ckpt start playground');
  assert.equal(commandLine(['apply', 'my vm', 'costs $5'], 'linux'), "ckpt apply 'my vm' 'costs $5'");
  assert.equal(commandLine(['apply', 'my vm', 'before x'], 'win32'), 'ckpt apply "my vm" "before x"');
});

test(
  'the shim passes its arguments on unchanged, from any path',
  { skip: process.platform === 'win32' ? 'needs sh' : false },
  (context) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'ckpt-shim-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const script = path.join(folder, "it's $HOME", 'engine.js');
    const shim = path.join(folder, 'ckpt');
    mkdirSync(path.dirname(script));
    writeFileSync(script, 'console.log(JSON.stringify([process.env.ELECTRON_RUN_AS_NODE, ...process.argv.slice(2)]))');
    writeFileSync(shim, posixShim(script));
    chmodSync(shim, 0o755);
    const output = execFileSync(shim, ['take', 'my vm', '--name', 'a  b $x'], {
      encoding: 'utf8',
      env: { ...process.env, VM_CHECKPOINTS_NODE: process.execPath },
    });
    assert.deepEqual(JSON.parse(output), ['1', 'take', 'my vm', '--name', 'a  b $x']);
  },
);

test('the Windows shim doubles percent signs in its path', () => {
  assert.match(windowsShim(String.raw`C:\100% mine\engine.js`), /"C:\\100%% mine\\engine\.js" %\*\r\n/);
});
