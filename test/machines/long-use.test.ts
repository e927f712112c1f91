import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { withDiskContent } from '../support/disk-content.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const operations = Number(process.env['CKPT_OPERATIONS'] ?? 12);
/** More are only more to look at. */
const mostPoints = 6;

/** What is known of a point: SHA-256 of the files in /root, and what a process of the guest had counted, if it ran. */
interface Point {
  files: ReadonlyMap<string, string>;
  counter?: { pid: number; value: number };
}

describe('a guest that is used for long: files written, checkpoints taken, applied, deleted and cloned', () => {
  const random = seededRandom();
  const points = new Map<string, Point>();
  const done: string[] = [];
  const home = homeOfSuite(name, 'stopped');
  let files: ReadonlyMap<string, string> = new Map();
  let written = 0;

  const look = async (): Promise<MachineInfo> => (await home.ckpt.run('show', ['show', name])).machine;
  const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)];
  const isUp = async (): Promise<boolean> => (await look()).state === 'running';
  const up = async (): Promise<void> => {
    if (!(await isUp())) {
      await home.ckpt.run('start', ['start', name]);
    }
  };
  const counter = (): Promise<{ pid: number; value: number }> =>
    inGuest(home.folder, name, async (shell) => {
      const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(await shell.run('counter-status')) ?? [];
      return { pid: Number(pid), value: Number(value) };
    });

  /** Writes a file, and takes another one away at times. */
  const write = async (): Promise<string> => {
    await up();
    const file = `f${(written += 1)}`;
    const doomed = random() < 0.3 ? pick([...files.keys()]) : undefined;
    const hash = await inGuest(home.folder, name, (shell) =>
      shell.run(
        `cd /root && ${doomed === undefined ? '' : `rm ${doomed} && `}head -c ${1 + Math.floor(random() * 200_000)} /dev/urandom | base64 > ${file} && sync && sha256sum ${file}`,
      ),
    );
    files = new Map([...files, [file, hash.slice(0, 64)]]);
    files = new Map([...files].filter(([one]) => one !== doomed));
    return `write ${file}${doomed === undefined ? '' : `, remove ${doomed}`}`;
  };
  const take = async (): Promise<string> => {
    const memory = (await isUp()) && random() < 0.6;
    const counted = memory ? await counter() : undefined;
    const args = ['take', name, `point ${done.length}`, ...((await isUp()) && !memory ? ['--no-memory'] : [])];
    const { checkpoint } = await home.ckpt.run('take', args);
    points.set(checkpoint.id, { files, ...(counted === undefined ? {} : { counter: counted }) });
    return `take ${checkpoint.id}${memory ? ' with memory' : ''}`;
  };
  const apply = async (): Promise<string> => {
    const [id, point] = pick([...points]) ?? ['', undefined];
    if (point === undefined) {
      return take();
    }
    const counted = (await isUp()) ? await counter() : undefined;
    const { kept, applied } = await home.ckpt.run('apply', ['apply', name, id]);
    points.set(kept?.id ?? '', { files, ...(counted === undefined ? {} : { counter: counted }) });
    ({ files } = point);
    if (applied.hasMemory) {
      const found = await counter();
      assert.equal(found.pid, point.counter?.pid, 'the process is the one that ran then');
      assert.ok(found.value >= (point.counter?.value ?? Infinity), 'and it goes on');
    } else {
      assert.equal(await isUp(), false);
    }
    return `apply ${id}`;
  };
  const remove = async (): Promise<string> => {
    const id = pick([...points.keys()]);
    if (id === undefined) {
      return write();
    }
    await home.ckpt.run('delete', ['delete', name, id, '--purge']);
    points.delete(id);
    return `delete ${id} for good`;
  };
  const clone = async (): Promise<string> => {
    const [id, point] = pick([...points]) ?? ['', undefined];
    if (point === undefined) {
      return take();
    }
    const { machine } = await home.ckpt.run('clone', [
      'clone',
      name,
      id,
      'twin',
      ...(random() < 0.5 ? ['--full'] : []),
    ]);
    await requireDisk(machine.disks[0]?.activeLayer ?? '', point.files, 'the clone');
    await home.ckpt.run('removeMachine', ['remove-machine', 'twin']);
    return `clone ${id}`;
  };
  const startOrStop = async (): Promise<string> => {
    if (await isUp()) {
      await home.ckpt.run('stop', ['stop', name]);
      return 'stop';
    }
    await up();
    return 'start';
  };

  it(`${operations} operations → running processes go on; every file of Now and of every checkpoint is as it was, every file system clean`, async (context) => {
    const verbs = [write, write, write, take, take, apply, apply, remove, clone, startOrStop];
    while (done.length < operations) {
      const verb = done.length < 2 ? [write, take][done.length] : points.size > mostPoints ? remove : pick(verbs);
      try {
        done.push((await verb?.()) ?? '');
        await requireGuest();
      } catch (error) {
        throw new Error(`after: ${done.slice(-5).join('; ')}: ${String(error)}`, { cause: error });
      }
    }
    if (await isUp()) {
      await home.ckpt.run('stop', ['stop', name]);
    }
    // What a running machine had open merges away now.
    await home.ckpt.run('emptyTrash', ['trash', 'empty', name]);
    const machine = await look();
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
    const { checkpoints } = await new MachineFolder(machine.folder).read();
    assert.deepEqual(checkpoints.map(({ id }) => id).sort(), [...points.keys()].sort());
    await requireDisk(machine.disks[0]?.activeLayer ?? '', files, 'Now');
    for (const { id, layers } of checkpoints) {
      await requireDisk(path.join(machine.folder, layers['disk0'] ?? ''), points.get(id)?.files ?? new Map(), id);
    }
    context.diagnostic(`${done.length} operations, ${checkpoints.length} checkpoints and ${written} files at the end`);
  });

  /** In the running guest, all files are there with their content. */
  const requireGuest = async (): Promise<void> => {
    if (await isUp()) {
      const listed = await inGuest(home.folder, name, (shell) =>
        shell.run('cd /root && sha256sum f* 2>/dev/null || true'),
      );
      const found = new Map(
        listed.split('\n').flatMap((line) => (line === '' ? [] : [[line.slice(66), line.slice(0, 64)]])),
      );
      assert.deepEqual(found, new Map([...files].sort()));
    }
  };
});

/** From outside: the file system is clean, after its journal where the guest was cut off, and its files are right. */
async function requireDisk(layer: string, files: ReadonlyMap<string, string>, what: string): Promise<void> {
  await withDiskContent(layer, async (disk) => {
    await disk.replayJournal();
    await disk.check();
    for (const [file, hash] of files) {
      const content = `${await disk.read(`/root/${file}`)}\n`;
      assert.equal(createHash('sha256').update(content).digest('hex'), hash, `${what}: ${file}`);
    }
  });
}
