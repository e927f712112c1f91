import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { Refusal, type Ckpt } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { engineFile } from '../support/project.ts';
import { fillUp, slowDown, type VolumeKind } from '../support/small-volume.ts';
import { until } from '../support/vscode/until.ts';
import { machineOnSmallVolume } from '../support/volume-machine.ts';

const name = 'lab';
const mebibyte = 2 ** 20;
/** Of the guest's memory in the file when something happens: early, since all of it takes less than a second. */
const writtenBytes = 64 * 1024;

/** Enough to begin with saving. QEMU stands still while the rest is filled, and is waited for no longer than 10 s. */
const leftBytes = 360 * mebibyte;

/** A machine whose memory is saved to a volume of its own. */
class Lab {
  readonly volume: string;
  readonly ckpt: Ckpt;
  #counted = 0;

  private constructor(volume: string, ckpt: Ckpt) {
    this.volume = volume;
    this.ckpt = ckpt;
  }

  static async start(context: TestContext, kind: VolumeKind): Promise<Lab | undefined> {
    const place = await machineOnSmallVolume(context, name, 768 * mebibyte, kind);
    const lab = place && new Lab(place.volume, place.ckpt);
    await lab?.requireCounting();
    return lab;
  }

  async show(): Promise<MachineInfo> {
    return (await this.ckpt.run('show', ['show', name])).machine;
  }

  get #memoryFolder(): string {
    return path.join(this.ckpt.home, 'machines', name, 'memory');
  }

  memoryFiles(): Promise<string[]> {
    return readdir(this.#memoryFolder).catch(() => []);
  }

  /** Waits until QEMU is in the middle of saving. */
  async untilSaving(): Promise<void> {
    const before = new Set(this.#sizes().map(([file]) => file));
    await until(
      'QEMU to save memory',
      () => this.#sizes().some(([file, size]) => !before.has(file) && size >= writtenBytes),
      { timeoutMilliseconds: 60_000, intervalMilliseconds: 1 },
    );
  }

  #sizes(): (readonly [string, number])[] {
    try {
      return readdirSync(this.#memoryFolder).map((file) => [file, statSync(path.join(this.#memoryFolder, file)).size]);
    } catch {
      return [];
    }
  }

  /** The same process of the guest counts on. */
  async requireCounting(): Promise<void> {
    const read = (): Promise<number> =>
      inGuest(this.ckpt.home, name, async (shell) => Number(await shell.run('cat /run/counter')));
    const first = await read();
    assert.ok(first >= this.#counted, `${first} after ${this.#counted}`);
    await until('the guest to count on', async () => (this.#counted = await read()) > first, {
      timeoutMilliseconds: 60_000,
    });
  }

  /** Nothing of what failed is left: the tree is as it was, and the guest runs on. */
  async requireAsBefore(before: MachineInfo, memoryFiles: readonly string[]): Promise<void> {
    const found = await this.show();
    assert.equal(found.state, 'running');
    assert.deepEqual(found.checkpoints, before.checkpoints);
    assert.equal(found.now.parent, before.now.parent);
    assert.deepEqual(await this.memoryFiles(), memoryFiles);
    assert.deepEqual(await auditMachine(found.folder), { unknown: [], missing: [] });
    await this.requireCounting();
  }

  /** QEMU stands still in the middle of saving, while something happens. */
  async amidSaving<T>(begin: () => Promise<T>, act: () => void): Promise<T | Error> {
    const { pid = 0 } = await this.show();
    const saving = this.untilSaving();
    const ended = begin().catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    await Promise.race([saving, ended]);
    process.kill(pid, 'SIGSTOP');
    try {
      act();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    return ended;
  }
}

function requireFull(outcome: unknown): void {
  assert.ok(outcome instanceof Refusal, String(outcome));
  assert.equal(outcome.error.code, 'NotEnoughSpace', outcome.message);
}

test('the volume becomes full while QEMU saves memory, and no space can be reserved there → refused, the guest runs on, nothing is left', async (context) => {
  const lab = await Lab.start(context, 'ext2');
  if (lab === undefined) {
    return;
  }
  const before = await lab.show();
  for (const [operation, args] of [
    ['take', ['take', name, 'full']],
    ['saveState', ['save', name]],
  ] as const) {
    const others = fillUp(lab.volume, leftBytes, 'others');
    let filler = '';
    const outcome = await lab.amidSaving(
      () => lab.ckpt.run(operation, [...args]),
      () => (filler = fillUp(lab.volume)),
    );
    requireFull(outcome);
    await Promise.all([rm(filler), rm(others)]);
    await lab.requireAsBefore(before, []);
  }
  await lab.ckpt.run('take', ['take', name, 'with room']);
  await lab.ckpt.run('revert', ['revert', name]);
  await lab.requireCounting();
});

test('the same where space is reserved → what was begun has room, and the guest runs on', async (context) => {
  const lab = await Lab.start(context, 'ext4');
  if (lab === undefined) {
    return;
  }
  const before = await lab.show();
  const others = fillUp(lab.volume, leftBytes, 'others');
  let filler = '';
  const outcome = await lab.amidSaving(
    () => lab.ckpt.run('take', ['take', name, 'full']),
    () => (filler = fillUp(lab.volume)),
  );
  await Promise.all([rm(filler), rm(others)]);
  if (outcome instanceof Error) {
    context.diagnostic(String(outcome));
    requireFull(outcome);
    await lab.requireAsBefore(before, []);
  } else {
    assert.equal((await lab.show()).checkpoints.length, 1);
    await lab.ckpt.run('revert', ['revert', name]);
    await lab.requireCounting();
  }
});

test('the disk is slow → a take takes its time, others are answered meanwhile, the guest runs on; one that is cancelled leaves nothing', async (context) => {
  const lab = await Lab.start(context, 'ext4');
  if (lab === undefined || !(await slowDown(context, lab.volume, 16 * mebibyte))) {
    return;
  }
  const saving = lab.untilSaving();
  const taking = lab.ckpt.run('take', ['take', name, 'slow']);
  await saving;
  const asked = performance.now();
  const shown = await lab.show();
  const answeredMs = Math.round(performance.now() - asked);
  assert.equal(shown.busy?.operation, 'take');
  const { checkpoint } = await taking;
  context.diagnostic(
    `taken in ${String(checkpoint.totalMs)} ms with a pause of ${String(checkpoint.pauseMs)} ms; shown meanwhile in ${answeredMs} ms`,
  );
  assert.ok((checkpoint.totalMs ?? 0) > 2000, 'the disk is slow');
  await lab.requireCounting();

  const before = await lab.show();
  const memoryFiles = await lab.memoryFiles();
  const cancelled = spawn(process.execPath, [engineFile, 'take', name, 'cancelled', '--json'], {
    env: { ...process.env, VM_CHECKPOINTS_HOME: lab.ckpt.home },
    stdio: 'ignore',
  });
  const exit = await lab.amidSaving(
    () => once(cancelled, 'exit'),
    () => cancelled.kill('SIGINT'),
  );
  assert.deepEqual(exit, [130, null]);
  await lab.requireAsBefore(before, memoryFiles);
});
