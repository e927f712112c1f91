import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { MergingMachine } from '../support/merging-machine.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 2);
/** Slow enough for something to happen meanwhile, in bytes a second. */
const slowly = ['--speed', '2M'];

describe('merging layers of a machine while it runs', () => {
  const random = seededRandom();
  const home = homeOfSuite(name, 'stopped');
  let lab: MergingMachine;

  before(async () => {
    lab = new MergingMachine(home.ckpt, name);
    await lab.start();
  });

  const purge = async (checkpoint: string, ...options: string[]): Promise<void> => {
    const gone = await home.ckpt.run('delete', ['delete', name, checkpoint, '--purge', ...options]);
    assert.equal(gone.problem, undefined);
    assert.ok(gone.movedBytes > 0);
  };
  const layersOf = async (checkpoint: string): Promise<string> => {
    const { checkpoints } = await new MachineFolder(home.machineFolder(name)).read();
    return checkpoints.find((one) => one.id === checkpoint || one.name === checkpoint)?.layers['disk0'] ?? '';
  };
  const fileHash = async (layer: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(path.join(home.machineFolder(name), layer)))
      .digest('hex');
  const active = async (): Promise<string> =>
    (await new MachineFolder(home.machineFolder(name)).read()).now.activeLayers['disk0'] ?? '';

  it('delete for good of what lies in the middle, and below Now → merged into the smaller way round, and the guest notices nothing', async (context) => {
    // Layers from below: a big one, a small one, a big one, a small one, and what the guest writes to.
    const sizes = { one: 4, two: 1, three: 4, four: 1 };
    for (const [checkpoint, mebibytes] of Object.entries(sizes)) {
      await lab.write(mebibytes);
      await lab.take(checkpoint);
    }
    await lab.write(1);
    const [small, big] = [await layersOf('two'), await layersOf('one')];
    // A big layer takes the small one's content in, and so keeps its file: downwards …
    await purge('one');
    assert.equal(await layersOf('two'), big);
    assert.notEqual(small, big);
    await lab.requireMerged();
    // … and upwards.
    const three = await layersOf('three');
    await purge('two');
    assert.ok([big, three].includes(await layersOf('three')));
    await lab.requireMerged();
    const below = await layersOf('four');
    const above = await active();
    await purge('four');
    assert.ok([below, above].includes(await active()));
    await lab.requireMerged();
    context.diagnostic(`longest time between two numbers of the guest: ${await lab.requireGuest()} ms`);
  });

  it('Now is small, and what it stands on is big → Now goes on in the big file', async () => {
    await lab.write(6);
    await lab.take('big');
    const big = await layersOf('big');
    await purge('big');
    assert.equal(await active(), big);
    await lab.write(1);
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it('another branch stands on the same layer → it stays as it is, to the byte; what only Now needs merges', async () => {
    await lab.take('shared');
    await lab.write(1);
    await lab.take('branch');
    await home.ckpt.run('apply', ['apply', name, 'shared', '--discard-now']);
    lab.files.delete([...lab.files.keys()].at(-1) ?? '');
    await lab.start();
    // Of its own, whatever else the guest writes again and again.
    await lab.write(1);
    await lab.take('first');
    await lab.write(1);
    await lab.take('second');
    const shared = await layersOf('shared');
    const branch = await layersOf('branch');
    const hashes = [await fileHash(shared), await fileHash(branch)];
    await home.ckpt.run('delete', ['delete', name, 'shared', '--purge']);
    await purge('first');
    await purge('second');
    assert.deepEqual(await lab.hidden(), [`${path.basename(shared)}: several`]);
    assert.deepEqual([await fileHash(shared), await fileHash(branch)], hashes);
    await lab.requireGuest();
    // The other branch goes, and then only Now needs it.
    await purge('branch');
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it('take during a merge → the merge gives way, the checkpoint is taken, and the merge is done afterwards', async () => {
    await lab.write(8);
    await lab.take('long');
    await lab.write(8);
    await home.ckpt.run('delete', ['delete', name, 'long']);
    const merge = lab.begin(['trash', 'empty', name, ...slowly]);
    await lab.untilMerging();
    await lab.take('meanwhile');
    await home.ckpt.run('rename', ['rename', name, 'meanwhile', 'in between']);
    assert.equal(await merge.ended, 0);
    const { checkpoints } = await lab.show();
    assert.ok(checkpoints.some((one) => one.name === 'in between'));
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it('cancelled → everything is as before, and the same merge can be done then', async () => {
    await lab.write(8);
    await lab.take('cancelled');
    await lab.write(8);
    await home.ckpt.run('delete', ['delete', name, 'cancelled']);
    await home.ckpt.run('freeSpace', ['free-space', name]);
    const hidden = await lab.hidden();
    assert.deepEqual([hidden.length, hidden[0]?.endsWith(': running')], [1, true]);
    const merge = lab.begin(['merge-layers', name, ...slowly]);
    await lab.untilMerging();
    await delay(300);
    merge.child.kill('SIGINT');
    assert.equal(await merge.ended, 130);
    assert.equal((await lab.show()).busy, undefined);
    assert.deepEqual(await lab.hidden(), hidden);
    await lab.requireGuest();
    const merged = await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    assert.equal(merged.mergedLayers, 1);
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it(`the engine is killed at ${rounds} random moments of a merge → the next one ends it, and the guest goes on`, async (context) => {
    for (let round = 0; round < rounds; round += 1) {
      await lab.write(round % 2 === 0 ? 4 : 1);
      await lab.take(`killed ${round}`);
      await lab.write(2);
      const merge = lab.begin(['delete', name, `killed ${round}`, '--purge', '--speed', '8M']);
      await lab.untilMerging();
      await delay(random() * 600);
      merge.child.kill('SIGKILL');
      await merge.ended;
      await lab.take(`after ${round}`);
      await lab.requireGuest();
      await home.ckpt.run('mergeLayers', ['merge-layers', name]);
      await lab.requireMerged();
      context.diagnostic(`round ${round}: ${await lab.requireGuest()} ms`);
    }
  });

  it(`QEMU is killed at ${rounds} random moments of a merge → nothing is lost; the rest is merged when it is stopped, or runs again`, async () => {
    for (let round = 0; round < rounds; round += 1) {
      await lab.write(round % 2 === 0 ? 4 : 1);
      await lab.take(`cut ${round}`);
      await lab.write(2);
      await lab.shell('sync');
      const merge = lab.begin(['delete', name, `cut ${round}`, '--purge', '--speed', '8M']);
      await lab.untilMerging();
      await delay(random() * 600);
      for (const pid of await home.processes()) {
        process.kill(pid, 'SIGKILL');
      }
      await merge.ended;
      if (round % 2 === 0) {
        await home.ckpt.run('mergeLayers', ['merge-layers', name]);
        await lab.requireMerged();
        await lab.requireDisk({ wasCutOff: true });
      }
      await lab.start();
      await home.ckpt.run('mergeLayers', ['merge-layers', name]);
      await lab.requireMerged();
      await lab.requireGuest();
    }
  });

  it('stopped at the end → the disk, read from outside, is what the guest wrote, and every image is in order', async () => {
    await home.ckpt.run('stop', ['stop', name]);
    await lab.requireDisk({ wasCutOff: true });
  });
});
