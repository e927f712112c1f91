import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isProcessAlive, processIdentity } from '../../../../engine/store/process-identity.ts';
import { until } from '../../../support/vscode/until.ts';

const onWindows = process.platform === 'win32' && 'Windows tells no identities here';

test('a living process has an identity, the same each time', { skip: onWindows }, async () => {
  const identity = await processIdentity(process.pid);
  assert.ok(identity !== undefined && identity !== '');
  assert.equal(await processIdentity(process.pid), identity);
  assert.ok(await isProcessAlive(process.pid, identity));
});

test('a process that has ended is not alive', { skip: onWindows }, async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const pid = child.pid ?? 0;
  const identity = await processIdentity(pid);
  assert.ok(identity !== undefined);
  const exit = once(child, 'exit');
  child.stdin.end();
  await exit;
  assert.equal(await processIdentity(pid), undefined);
  assert.ok(!(await isProcessAlive(pid, identity)));
});

test('another process with the same number is not the one that had it', { skip: onWindows }, async () => {
  assert.ok(!(await isProcessAlive(process.pid, 'an earlier boot:12345')));
});

test('a number alone proves nothing', { skip: onWindows }, async () => {
  assert.ok(!(await isProcessAlive(process.pid, undefined)));
});

test('two processes have two identities', { skip: onWindows }, async () => {
  const [own, parent] = [await processIdentity(process.pid), await processIdentity(process.ppid)];
  assert.notEqual(own, parent);
});

test('a process that ended and was never waited for (a zombie) is not alive', { skip: onWindows }, async (context) => {
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  context.after(() => parent.kill('SIGKILL'));
  const said: unknown[] = await once(parent.stdout, 'data');
  const pid = Number(said[0]);
  process.kill(pid, 'SIGKILL');
  await until('the process to end', async () => (await processIdentity(pid)) === undefined, {
    timeoutMilliseconds: 5000,
    intervalMilliseconds: 5,
  });
  assert.doesNotThrow(() => process.kill(pid, 0), 'its number is still taken');
  assert.ok(!(await isProcessAlive(pid, 'any')));
});
