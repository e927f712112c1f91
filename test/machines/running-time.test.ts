import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { homeOfSuite } from '../support/home-of-suite.ts';

const record = z.object({ milliseconds: z.number(), last: z.object({ isRunning: z.boolean() }).optional() });
const manifest = z.object({ runningSeconds: z.number().optional() });

describe('how long a machine has run', () => {
  const name = 'lab';
  const home = homeOfSuite(name, 'stopped');

  const read = async (...file: string[]): Promise<unknown> =>
    JSON.parse(await readFile(path.join(home.folder, 'machines', name, ...file), 'utf8'));
  const recorded = async (): Promise<z.output<typeof record>> => record.parse(await read('run', 'running-time.json'));

  it('counts from start to stop but not while paused, and each checkpoint has it; a policy can go by it', async () => {
    const began = performance.now();
    await home.ckpt.run('start', ['start', name]);
    const started = performance.now();
    await home.ckpt.run('pause', ['pause', name]);
    const paused = (await recorded()).milliseconds;
    assert.ok(paused > 0 && paused <= performance.now() - began);
    const { checkpoint } = await home.ckpt.run('take', ['take', name, 'still']);
    assert.equal((await recorded()).milliseconds, paused);
    assert.equal(
      manifest.parse(await read('checkpoints', `${checkpoint.id}.json`)).runningSeconds,
      Math.floor(paused / 1000),
    );
    const beforeResume = performance.now();
    await home.ckpt.run('resume', ['resume', name]);
    const resumed = performance.now();
    const stopping = performance.now();
    await home.ckpt.run('stop', ['stop', name, '--force']);
    const { milliseconds, last } = await recorded();
    assert.equal(last, undefined);
    assert.ok(started <= beforeResume && milliseconds >= paused + Math.floor(stopping - resumed));
    assert.ok(milliseconds <= paused + (performance.now() - beforeResume));
    const { policy } = await home.ckpt.run('policy', ['policy', name, '--keep-last', '3', '--age-by', 'running']);
    assert.equal(policy.ageBy, 'running');
  });

  it('a process that is killed with nobody looking adds nothing more', async () => {
    await home.ckpt.run('start', ['start', name]);
    const seen = (await recorded()).milliseconds;
    const { pid } = z.object({ pid: z.number() }).parse(await read('run', 'current-process.json'));
    process.kill(pid, 'SIGKILL');
    await home.ckpt.run('take', ['take', name, 'afterwards']);
    assert.deepEqual(await recorded(), { milliseconds: seen });
  });
});
