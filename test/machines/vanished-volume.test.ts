import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { Refusal, type Ckpt } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { smallVolume, takeAway } from '../support/small-volume.ts';
import { TestHome } from '../support/test-home.ts';
import { machineOnSmallVolume } from '../support/volume-machine.ts';
import { until } from '../support/vscode/until.ts';
import { Client } from '../unit/engine/server/client.ts';

const name = 'lab';
const mebibyte = 2 ** 20;
/** What is promised, and as long again for a computer that has other things to do. */
const noticedWithinMs = 4000;

/** A window that has looked at all machines. */
class Window {
  readonly #client: Client;
  readonly #context: TestContext;

  private constructor(client: Client, context: TestContext) {
    this.#client = client;
    this.#context = context;
  }

  static async open(context: TestContext, home: string): Promise<Window> {
    const window = new Window(await Client.start(context, home), context);
    const opened = performance.now();
    await window.machines();
    // By then the engine has looked once at least.
    await until('its first look', () => performance.now() - opened > 1500, { timeoutMilliseconds: 10_000 });
    return window;
  }

  async machines(): Promise<MachineInfo[]> {
    const { hosts } = await this.#client.request('list', {});
    return hosts.flatMap(({ machines }) => machines);
  }

  /** Does something, of which the window has to be told in time. */
  async isToldOf(what: string, act: () => Promise<void>): Promise<void> {
    const { changes } = this.#client;
    changes.length = 0;
    const acted = performance.now();
    await act();
    await until(
      `the engine to tell that ${what}`,
      () => changes.some(({ machines }) => machines === undefined || machines.includes(name)),
      { timeoutMilliseconds: 30_000, intervalMilliseconds: 20 },
    );
    const toldMs = Math.round(performance.now() - acted);
    this.#context.diagnostic(`${what}: told after ${toldMs} ms`);
    assert.ok(toldMs < noticedWithinMs, `${what}: told after ${toldMs} ms`);
  }
}

async function counter(home: string): Promise<number> {
  return inGuest(home, name, async (shell) => Number(await shell.run('cat /run/counter')));
}

function unreachable(error: unknown): boolean {
  assert.ok(error instanceof Refusal, String(error));
  assert.equal(error.error.code, 'MachineNotReachable', error.message);
  assert.match(error.message, /not reachable at .*Connect the disk.*nothing of it is lost/);
  return true;
}

async function requireTakes(ckpt: Ckpt, machine: MachineInfo, checkpoint: string): Promise<void> {
  await ckpt.run('take', ['take', name, checkpoint]);
  await ckpt.run('revert', ['revert', name, '--discard-now']);
  assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
}

test('a machine lies on a disk that vanishes → told at once, refused with the way out; the disk is back → it runs on, or tells how it ended, and the next action works', async (context) => {
  const home = await TestHome.withGuest();
  const end = async (): Promise<void> => {
    await home.ckpt.run('stop', ['stop', name, '--force']).catch(() => undefined);
    await home.remove();
  };
  const volume = await smallVolume(context, 768 * mebibyte, 'ext4', end);
  if (volume === undefined) {
    await home.remove();
    return;
  }
  const show = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  await home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
  await home.ckpt.run('createMachine', ['create-machine', 'other', '--image', 'playground']);
  await home.ckpt.run('move', ['move', name, volume]);
  await home.ckpt.run('start', ['start', name]);
  const before = await counter(home.folder);
  const window = await Window.open(context, home.folder);

  let bringBack: () => Promise<void> = () => Promise.resolve();
  await window.isToldOf('its disk vanished', async () => {
    bringBack = await takeAway(volume);
  });
  const shown = (await window.machines()).find((machine) => machine.name === name);
  assert.equal(shown?.state, 'unreachable');
  assert.match(shown.problem ?? '', /not reachable at .*Connect the disk/);
  assert.equal((await window.machines()).find((machine) => machine.name === 'other')?.state, 'stopped');
  for (const args of [
    ['take', name, 'away'],
    ['stop', name, '--force'],
    ['start', name],
  ]) {
    await assert.rejects(home.ckpt.run('show', args), unreachable);
  }
  await window.isToldOf('its disk is back', bringBack);
  const back = await show();
  assert.equal(back.state, 'running');
  assert.equal(back.problem, undefined);
  assert.ok((await counter(home.folder)) > before);
  await requireTakes(home.ckpt, back, 'back');

  const { pid } = await show();
  assert.ok(pid !== undefined);
  bringBack = await takeAway(volume);
  process.kill(pid, 'SIGKILL');
  await bringBack();
  const dead = await show();
  assert.equal(dead.state, 'stopped');
  assert.match(dead.problem ?? '', /ended without a word|was killed/);
  await home.ckpt.run('start', ['start', name]);
  await requireTakes(home.ckpt, await show(), 'started');
});

test('the disk of the whole home vanishes, and is back → told both times; the machine has run on, and is as it was', async (context) => {
  const place = await machineOnSmallVolume(context, name, 768 * mebibyte);
  if (place === undefined) {
    return;
  }
  const { volume, ckpt } = place;
  const before = await counter(ckpt.home);
  const window = await Window.open(context, ckpt.home);
  let bringBack: () => Promise<void> = () => Promise.resolve();
  await window.isToldOf('its disk vanished', async () => {
    bringBack = await takeAway(volume);
  });
  const [lost] = await window.machines();
  assert.equal(lost?.state, 'unreachable');
  assert.match(lost.problem ?? '', /not reachable at .*disconnected or unmounted/);
  assert.deepEqual(await readdir(volume), [], 'nothing is made where the disk was');
  await window.isToldOf('its disk is back', bringBack);
  const [back] = await window.machines();
  assert.equal(back?.state, 'running');
  assert.equal(back.problem, undefined);
  assert.ok((await counter(ckpt.home)) > before);
  await requireTakes(ckpt, back, 'back');
});
