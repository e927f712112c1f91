import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Engine } from '../../../../engine/engine.ts';
import type { MachineSpace } from '../../../../engine/protocol/space.ts';
import { lab as machine, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { copiesLab, machineOf } from './copies-lab.ts';

/** Bytes of every file of the machine that is a disk, memory or firmware, as its volume tells them. */
async function bytesOnDisk(folder: string): Promise<number> {
  let bytes = 0;
  for (const inner of ['layers', 'memory', 'firmware']) {
    const entries = await readdir(path.join(folder, inner), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((one) => one.isFile())) {
      bytes += (await stat(path.join(entry.parentPath, entry.name))).blocks * 512;
    }
  }
  return bytes;
}

async function spaceOf(engine: Engine): Promise<MachineSpace> {
  const space = (await engine.retention.space({ machine }, {})).machines[0];
  assert.ok(space !== undefined);
  return space;
}

async function randomTree(context: TestContext, random: () => number): Promise<Engine> {
  const { engine } = await copiesLab(context);
  for (let step = 0; step < 12; step += 1) {
    const { checkpoints } = await machineOf(engine);
    const one = checkpoints[Math.floor(random() * checkpoints.length)];
    const choice = random();
    if (one === undefined || choice < 0.45) {
      // Sparse: some sectors far apart.
      await writeToNow(await machineOf(engine), step + 1, Math.floor(random() * 200) * 512, 512 + step * 512);
      await engine.service.take({ machine, name: `step ${step}` }, {});
    } else if (choice < 0.65) {
      await engine.service.apply({ machine, checkpoint: one.id, discardNow: random() < 0.5 }, {});
    } else if (choice < 0.75) {
      await engine.copies.clone({ machine, checkpoint: one.id, name: `clone ${step}` }, {}).catch(() => undefined);
    } else {
      await engine.service.delete({ machine, checkpoint: one.id, purge: random() < 0.3 }).catch(() => undefined);
    }
  }
  return engine;
}

test('random trees with clones, trash and hidden layers: the parts add up, and every delete frees what was foretold', async (context) => {
  const random = seededRandom();
  const engine = await randomTree(context, random);
  const { folder } = await machineOf(engine);
  const space = await spaceOf(engine);
  assert.equal(space.totalBytes, await bytesOnDisk(folder));
  assert.equal(space.unusedBytes, 0);
  for (const part of [...space.checkpoints.map(({ exclusive }) => exclusive), space.allCheckpoints, space.trash]) {
    assert.ok(part.leastBytes <= part.mostBytes && part.mostBytes <= space.totalBytes - space.nowBytes);
  }
  for (;;) {
    const shown = await spaceOf(engine);
    const deletable = (await machineOf(engine)).checkpoints;
    const one = deletable[Math.floor(random() * deletable.length)];
    const foretold = shown.checkpoints.find(({ id }) => id === one?.id)?.exclusive;
    if (one === undefined || foretold === undefined) {
      break;
    }
    const before = await bytesOnDisk(folder);
    await engine.service.delete({ machine, checkpoint: one.id, purge: true });
    const freed = before - (await bytesOnDisk(folder));
    assert.ok(
      freed >= foretold.leastBytes && freed <= foretold.mostBytes,
      `${one.name}: ${freed} of ${foretold.leastBytes} to ${foretold.mostBytes}`,
    );
  }
  assert.equal((await spaceOf(engine)).totalBytes, await bytesOnDisk(folder));
});
