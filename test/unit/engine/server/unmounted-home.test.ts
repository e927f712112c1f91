import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ResponseError } from 'vscode-jsonrpc/node';
import { z } from 'zod';
import type { MachineInfo } from '../../../../engine/protocol/machines.ts';
import type { ChangedParams } from '../../../../engine/protocol/operations.ts';
import { Ckpt } from '../../../support/ckpt.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { smallVolume, takeAway } from '../../../support/small-volume.ts';
import { until } from '../../../support/vscode/until.ts';
import { makeImage } from '../disks/made-images.ts';
import { folderOf } from '../temporary-folder.ts';
import { Client } from './client.ts';

const name = 'lab';
const refused = z.object({ data: z.object({ code: z.string() }) });
/** What is promised, and as long again for a computer that has other things to do. */
const noticedWithinMs = 4000;
/** Machines are looked at once a second. */
const severalLooksMs = 2500;

async function machines(client: Client): Promise<Pick<MachineInfo, 'name' | 'state' | 'problem'>[]> {
  const { hosts } = await client.request('list', {});
  return hosts.flatMap((host) => host.machines);
}

/** Does something, of which the client has to be told in time. */
async function isToldOf(client: Client, act: () => Promise<void>): Promise<void> {
  client.changes.length = 0;
  const isMeant = ({ machines: changed }: ChangedParams): boolean => changed?.includes(name) !== false;
  await act();
  const acted = performance.now();
  await until('the engine to tell of it', () => client.changes.some(isMeant), { timeoutMilliseconds: 30_000 });
  assert.ok(performance.now() - acted < noticedWithinMs);
}

async function codeOf(request: Promise<unknown>): Promise<unknown> {
  const error: unknown = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ResponseError, 'it was not refused');
  return refused.parse(error).data.code;
}

for (const [where, inner] of [
  ['below the mount point', 'home'],
  ['the mount point itself', ''],
] as const) {
  test(
    `the volume of the home (${where}) is unmounted under an engine that lives → machines are told as not reachable, nothing is written in its place; mounted again → the next action works`,
    { timeout: 90_000 },
    async (context) => {
      const volume = await smallVolume(context, 64 * 2 ** 20, 'ext4');
      if (volume === undefined) {
        return;
      }
      const home = path.join(volume, inner);
      const disk = await makeImage(await folderOf(context), 'disk.qcow2', 'qcow2');
      await new Ckpt(home).run('createMachine', ['create-machine', name, '--disk', disk]);
      const client = await Client.start(context, home);
      assert.deepEqual(
        (await machines(client)).map(({ state }) => state),
        ['stopped'],
      );

      let bringBack: () => Promise<void> = () => Promise.resolve();
      await isToldOf(client, async () => {
        bringBack = await takeAway(volume);
      });
      const [lost] = await machines(client);
      assert.equal(lost?.state, 'unreachable');
      assert.ok(lost.problem?.includes(`not reachable at ${home}`) === true, lost.problem);
      const asked = performance.now();
      await until('several looks', () => performance.now() - asked > severalLooksMs, { timeoutMilliseconds: 10_000 });
      for (const request of [
        () => client.request('take', { machine: name }),
        () => client.request('createMachine', { name: 'another', disk }),
        () => client.request('removeMachine', { machine: name }),
      ]) {
        assert.equal(await codeOf(request()), 'HomeNotReachable');
      }
      assert.equal((await machines(client))[0]?.state, 'unreachable');
      assert.deepEqual(await readdir(volume), [], 'nothing is made where the volume was');

      await isToldOf(client, bringBack);
      const [back] = await machines(client);
      assert.equal(back?.state, 'stopped');
      assert.equal(back.problem, undefined);
      await client.request('take', { machine: name, name: 'back' });
      const { unknown, missing } = await faultsOfHome(home);
      assert.deepEqual([...unknown, ...missing], []);
      // A watch that was set before tells nothing of the volume that is there now.
      await isToldOf(client, async () => {
        await new Ckpt(home).run('take', ['take', name, 'of another engine']);
      });
    },
  );
}

test('an engine is served a home that is not there yet → it makes no folder of machines, and tells when there is one', async (context) => {
  const folder = await folderOf(context);
  const home = path.join(folder, 'home');
  const client = await Client.start(context, home);
  assert.deepEqual(await machines(client), []);
  assert.equal(existsSync(path.join(home, 'machines')), false);
  const disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
  await isToldOf(client, async () => {
    await new Ckpt(home).run('createMachine', ['create-machine', name, '--disk', disk]);
  });
  assert.deepEqual(
    (await machines(client)).map(({ state }) => state),
    ['stopped'],
  );
});
