import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { Refusal, runCkpt } from '../support/ckpt.ts';
import { GuestChecker } from '../support/consistency/guest-checker.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const kills = Number(process.env['CKPT_ROUNDS'] ?? 2);

describe('memory that is packed', () => {
  const home = homeOfSuite(name, 'started');
  let checker: GuestChecker;
  const random = seededRandom();

  before(async () => {
    checker = new GuestChecker(home.folder, name);
    await checker.start();
  });

  const machine = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const point = async (wanted: string): Promise<CheckpointInfo> => {
    const found = (await machine()).checkpoints.find((one) => one.name === wanted);
    assert.ok(found, wanted);
    return found;
  };
  const take = async (wanted: string): Promise<number> => {
    const { count } = await checker.findings();
    await home.ckpt.run('take', ['take', name, wanted]);
    return count;
  };
  const requireOrder = async (): Promise<void> => {
    assert.deepEqual(await auditMachine(home.machineFolder(name)), { unknown: [], missing: [] });
    assert.equal((await home.processes()).length, 1);
    assert.equal((await checker.checkedSince(await checker.findings())).faults, '');
  };
  const memoryFile = async (wanted: string): Promise<{ file: string; sha256: string | undefined }> => {
    const folder = new MachineFolder(home.machineFolder(name));
    const memory = (await folder.read()).checkpoints.find((one) => one.name === wanted)?.memory;
    return { file: folder.inner(memory?.file ?? ''), sha256: memory?.sha256 };
  };
  const refuses = async (work: Promise<unknown>, words: RegExp): Promise<void> => {
    await assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof Refusal);
      assert.equal(error.error.code, 'MemoryNotCompatible', error.message);
      assert.match(error.message, words);
      return true;
    });
  };

  it('pack-memory → all but the checkpoint that Now hangs from take less, gzip reads what was saved, and nothing is left over', async (context) => {
    await take('one');
    await take('two');
    const [one, two] = [await point('one'), await point('two')];
    const { sha256 } = await memoryFile('one');
    const done = await home.ckpt.run('packMemory', ['pack-memory', name]);
    assert.equal(done.problem, undefined);
    assert.equal(done.packed, 1);
    const packed = await point('one');
    assert.equal(packed.unpackedMemoryBytes, one.memoryFileBytes);
    const [before = NaN, now = NaN] = [one.memoryFileBytes, packed.memoryFileBytes];
    assert.ok(now <= 0.75 * before, `${now} of ${before}`);
    assert.deepEqual(await point('two'), two);
    const { file } = await memoryFile('one');
    assert.equal((await stat(file)).size, now);
    assert.ok(Math.abs(done.freedBytes - (before - now)) < 1024 * 1024, String(done.freedBytes));
    assert.equal(
      createHash('sha256')
        .update(gunzipSync(await readFile(file)))
        .digest('hex'),
      sha256,
    );
    await requireOrder();
    const again = await home.ckpt.run('packMemory', ['pack-memory', name]);
    assert.deepEqual([again.packed, again.freedBytes], [0, 0]);
    context.diagnostic(`${before} bytes became ${now}`);
  });

  it('apply of it → the guest goes on from there, every byte of its memory as it was', async () => {
    const at = await checker.findings();
    await home.ckpt.run('apply', ['apply', name, 'one', '--discard-now']);
    const back = await checker.findings();
    assert.ok(back.count < at.count + 1000);
    await requireOrder();
    await home.ckpt.run('apply', ['apply', name, 'two', '--discard-now']);
    await requireOrder();
  });

  it('altered, repacked with something else, cut short or gone → refused, told by doctor, and the guest runs on as it was', async () => {
    const { file } = await memoryFile('one');
    const whole = `${file}.whole`;
    await copyFile(file, whole);
    const { size } = await stat(file);
    const lines: [string, () => Promise<void>, RegExp][] = [
      ['a byte', () => alter(file, Math.floor(size / 2)), /has changed since it was saved/],
      ['the first header', () => alter(file, 3), /has changed since it was saved/],
      ['the end', () => alter(file, size - 20), /has changed since it was saved/],
      ['plain gzip', async () => writeFile(file, padded(gzipSync('other'), size)), /has changed since it was saved/],
      ['cut short', () => truncate(file, size - 28), /not whole/],
      ['gone', () => rm(file), /not whole/],
    ];
    for (const [what, damage, words] of lines) {
      await damage();
      await refuses(home.ckpt.run('apply', ['apply', name, 'one']), words);
      const told = await runCkpt(home.folder, ['doctor', name, '--deep']);
      assert.match(told.stdout, /The saved memory .*\.gz of “one”/, `${what}: ${told.stdout}`);
      await copyFile(whole, file);
    }
    await rm(whole);
    await requireOrder();
    await home.ckpt.run('apply', ['apply', name, 'one', '--discard-now']);
    await requireOrder();
  });

  it(`the packing process killed ${kills} times in the middle, and a take meanwhile → each is as it was, or packed; resumed, it is packed`, async () => {
    await take('three');
    await take('four');
    for (let round = 0; round < kills; round++) {
      const packing = home.ckpt.run('packMemory', ['pack-memory', name]).then(
        () => 'done',
        () => 'killed',
      );
      const job = await runningJob();
      await delay(random() * 1500);
      if (job !== undefined) {
        process.kill(job, 'SIGKILL');
      }
      const how = await packing;
      await home.ckpt.run('annotate', ['annotate', name, 'four', '--notes', `round ${round} ${how}`]);
      await requireOrder();
    }
    const packing = home.ckpt.run('packMemory', ['pack-memory', name]);
    await runningJob();
    await delay(200);
    await take('five');
    const { problem } = await packing;
    assert.equal(problem, undefined);
    await home.ckpt.run('packMemory', ['pack-memory', name]);
    for (const packed of ['one', 'two', 'three', 'four']) {
      assert.ok((await point(packed)).unpackedMemoryBytes !== undefined, packed);
    }
    await home.ckpt.run('apply', ['apply', name, 'three', '--discard-now']);
    await requireOrder();
    assert.equal((await readdir(path.join(home.machineFolder(name), 'memory'))).length, 5);
  });

  it('a saved machine that is packed in a checkpoint → reverted to, it is saved again and starts from there; exported and imported, it comes back too', async () => {
    await home.ckpt.run('saveState', ['save', name]);
    await home.ckpt.run('take', ['take', name, 'of saved']);
    await home.ckpt.run('start', ['start', name]);
    await take('after');
    assert.equal((await home.ckpt.run('packMemory', ['pack-memory', name])).packed, 2);
    await home.ckpt.run('apply', ['apply', name, 'of saved', '--discard-now']);
    assert.equal((await machine()).state, 'saved');
    assert.deepEqual(await auditMachine(home.machineFolder(name)), { unknown: [], missing: [] });
    await home.ckpt.run('export', ['export', name, path.join(home.folder, 'exported')]);
    await home.ckpt.run('start', ['start', name]);
    await requireOrder();
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await home.ckpt.run('import', ['import', path.join(home.folder, 'exported'), 'twin']);
    await home.ckpt.run('apply', ['apply', 'twin', 'one', '--discard-now']);
    const twin = new GuestChecker(home.folder, 'twin');
    assert.equal((await twin.checkedSince(await twin.findings())).faults, '');
  });

  /** Waits until a job packs. @returns its process; undefined when it was too fast */
  async function runningJob(): Promise<number | undefined> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { jobs } = await home.ckpt.run('jobs', ['jobs']);
      const found = jobs.find(({ operation, state }) => operation === 'packMemory' && state === 'running');
      if (found?.pid !== undefined) {
        return found.pid;
      }
      await delay(20);
    }
    return undefined;
  }
});

async function alter(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at);
  } finally {
    await handle.close();
  }
}

function padded(content: Buffer, size: number): Buffer {
  return Buffer.concat([content, Buffer.alloc(size - content.length)]);
}
