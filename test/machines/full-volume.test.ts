import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { spaceLowMethod, type SpaceLowParams } from '../../engine/protocol/space.ts';
import type { Refusal } from '../support/ckpt.ts';
import { inGuest } from '../support/guest.ts';
import { fillUp, freeBytes } from '../support/small-volume.ts';
import { machineOnSmallVolume } from '../support/volume-machine.ts';
import { until } from '../support/vscode/until.ts';
import { Client } from '../unit/engine/server/client.ts';

const name = 'lab';
const mebibyte = 2 ** 20;

test('a guest fills the volume → a warning before; it stands still with the reason; resume goes on once there is space', async (context) => {
  const place = await machineOnSmallVolume(context, name, 512 * mebibyte);
  if (place === undefined) {
    return;
  }
  const { volume, ckpt } = place;
  const shown = async (): Promise<MachineInfo> => (await ckpt.run('show', ['show', name])).machine;
  const client = await Client.start(context, ckpt.home);
  const warnings: (SpaceLowParams & { freeThen: number })[] = [];
  client.connection.onNotification(spaceLowMethod, (warning: SpaceLowParams) => {
    warnings.push({ ...warning, freeThen: freeBytes(volume) });
  });

  const filler = fillUp(volume, 40 * mebibyte);
  const warning = await until('the warning', () => warnings[0], { timeoutMilliseconds: 40_000 });
  assert.ok(warning.freeThen > 0);
  assert.deepEqual(warning.machines, [name]);
  assert.equal((await shown()).state, 'running');

  await inGuest(ckpt.home, name, (shell) =>
    shell.run(
      '(dd if=/dev/urandom of=/root/big bs=1M count=64; sync; sha256sum < /root/big > /root/sum) 2>/dev/null &',
    ),
  );
  await until('the guest to stand still', async () => (await shown()).state === 'paused', {
    timeoutMilliseconds: 90_000,
  });
  assert.match((await shown()).problem ?? '', /volume is full/);
  fillUp(volume);
  await assert.rejects(ckpt.run('resume', ['resume', name]), ({ error }: Refusal) => {
    assert.equal(error.code, 'NotEnoughSpace');
    assert.match(error.message, /still full/);
    return true;
  });
  await rm(filler);
  await ckpt.run('resume', ['resume', name]);
  assert.equal((await shown()).state, 'running');
  const sums = await inGuest(ckpt.home, name, async (shell) => {
    await shell.run('while ! test -s /root/sum; do sleep 1; done');
    await shell.run('echo 3 > /proc/sys/vm/drop_caches');
    return shell.run('cat /root/sum; sha256sum < /root/big; stat -c %s /root/big');
  });
  const [before, now, size] = sums.trim().split(/\s*\n/);
  assert.equal(now, before);
  assert.equal(size?.trim(), String(64 * mebibyte));
});
