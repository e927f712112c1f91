import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { runCkpt } from '../../../support/ckpt.ts';
import { faultPreload } from '../../../support/faults/fault-preload.ts';
import { faultsOfHome, stateOf } from '../../../support/faults/home-state.ts';
import { copyFolder, engineOf, lab, makeLab, type Place } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const rounds = Number(process.env['CKPT_ROUNDS'] ?? 6);

describe('the engine itself, killed (kill -9) at one of its calls', () => {
  it('take → the checkpoint is there with what Now was, or nothing has changed', async (context) => {
    const folder = folderOfSuite();
    const place: Place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
    await makeLab(place);
    const { env, counted } = await faultPreload(folder);
    const look = async (home: string): Promise<Awaited<ReturnType<typeof stateOf>>> => {
      const { hosts } = await engineOf(home).service.list();
      return stateOf(
        hosts.flatMap(({ machines }) => machines),
        ids,
        { ...place, home },
      );
    };
    const { machine } = await engineOf(place.home).service.show({ machine: lab });
    const ids = new Set(machine.checkpoints.map(({ id }) => id));
    const before = await look(place.home);
    const home = path.join(folder, 'tried');
    const take = ['take', lab, 'new', '--json'];

    await copyFolder(place.home, home);
    assert.equal((await runCkpt(home, take, { env })).code, 0);
    const calls = Number(await readFile(counted, 'utf8'));
    const after = await look(home);
    const random = seededRandom();
    for (let round = 0; round < rounds; round++) {
      await rm(home, { recursive: true });
      await copyFolder(place.home, home);
      const fault = `${1 + Math.floor(random() * calls)}:${random() < 0.5 ? 'before' : 'half'}`;
      const run = await runCkpt(home, take, { env: { ...env, CKPT_FAULT: fault } });
      assert.equal(run.code, null, `killed at ${fault}`);
      const found = await look(home);
      assert.ok([JSON.stringify(before), JSON.stringify(after)].includes(JSON.stringify(found)), fault);
      assert.deepEqual((await faultsOfHome(home)).missing, [], fault);
    }
    context.diagnostic(`${calls} calls; ${rounds} of them were the last one`);
  });
});
