import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { giveMemoryTo } from '../../../support/faults/given-memory.ts';
import { engineOf, makeLab, writeToNow, type Place } from '../../../support/faults/stopped-lab.ts';
import { engineFile } from '../../../support/project.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { snapshotOf, type HomeSnapshot } from './home-snapshot.ts';
import { copies, killedVerbs, pick, source, type KilledVerb } from './killed-verbs.ts';

const rounds = Number(process.env['CKPT_ROUNDS'] ?? 16);
/** More make every round slower, and no round different. */
const mostPoints = 7;
const mostCopies = 2;
const mostChanges = 60;

describe('engines that are killed (kill -9) at random times, whatever they do', () => {
  it(`${rounds} rounds → every point holds what it held, doctor has nothing to say, no file is left over`, async (context) => {
    const folder = folderOfSuite();
    const place: Place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
    const { home } = place;
    await makeLab(place);
    const plain = path.join(folder, 'plain.vhdx');
    await create(plain, { format: 'vhdx', virtualSizeBytes: 1024 * 1024 });
    const { service } = engineOf(home);
    await service.addMachine({ name: 'plain', host: 'disks', disk: plain }, {});
    await mkdir(path.join(folder, 'exports'));
    const elsewhere = [path.join(folder, 'elsewhere'), await mkdtemp('/dev/shm/ckpt-killed-')] as const;
    await mkdir(elsewhere[0]);
    context.after(() => rm(elsewhere[1], { recursive: true }));
    const random = seededRandom();
    const longestMs = await runFor(home, ['take', 'plain', 'first']);
    const exported = new Map<string, string>();
    const done: string[] = [];
    let [killed, interrupted] = [0, 0];
    let before = await snapshotOf(home, folder);
    for (let round = 1; round <= rounds; round++) {
      const machine = pick([source, 'plain'], random) ?? source;
      const names = Object.keys(killedVerbs);
      // Those that always can be done come when the one that was chosen cannot.
      const name = pick(names, random) ?? 'take';
      const choice = {
        home: before,
        machine,
        random,
        round,
        folder: path.join(folder, 'exports'),
        exported,
        elsewhere,
      };
      const verb = killedVerbs[name]?.(choice) ?? { args: ['take', machine, `point ${round}`] };
      // Mostly while it changes something: what comes before, the reading of a program, harms nothing.
      const moment: Moment =
        random() < 0.8 ? { changes: 1 + Math.floor(random() ** 2 * mostChanges) } : { ms: random() * longestMs * 1.3 };
      const wasKilled = await kill(home, verb.args, moment);
      killed += wasKilled ? 1 : 0;
      interrupted += (await isInOrder(home)) ? 0 : 1;
      done.push(`${verb.args.join(' ')}${wasKilled ? ' (killed)' : ''}`);
      try {
        const after = await snapshotOf(home, folder);
        requireNothingLost(before, after, verb);
        if (verb.exports !== undefined && (await isThere(verb.exports))) {
          exported.set(verb.exports, before.get(source)?.now ?? '');
        }
        before = await prepare(home, folder, after, random, round);
      } catch (error) {
        throw new Error(`round ${round}, after: ${done.slice(-4).join('; ')}: ${String(error)}`, { cause: error });
      }
    }
    context.diagnostic(`${rounds} rounds: ${killed} were killed, ${interrupted} of them in the middle of a change`);
  });
});

/** Nothing went that was not to go, nothing came but what Now was, and Now is what it was or what it was to be. */
function requireNothingLost(before: HomeSnapshot, after: HomeSnapshot, verb: KilledVerb): void {
  const takes = new Set(verb.takes);
  for (const [machine, { now, points }] of before) {
    const found = after.get(machine);
    if (found === undefined) {
      assert.equal(verb.removes, machine, `machine “${machine}” is there`);
      continue;
    }
    for (const [id, content] of points) {
      const has = found.points.get(id);
      assert.ok(has === content || (has === undefined && takes.has(id)), `${machine}, ${id}: ${String(has)}`);
    }
    for (const [id, content] of found.points) {
      assert.ok(points.has(id) || content === now, `${machine}: the new checkpoint ${id} holds what Now did`);
    }
    assert.ok([now, verb.targets?.[machine]].includes(found.now), `Now of ${machine}`);
  }
  for (const [machine, { now }] of after) {
    if (!before.has(machine)) {
      assert.deepEqual([machine, now], [verb.makes?.machine, verb.makes?.content]);
    }
  }
}

/** Writes to every Now, and takes away what has become too much. */
async function prepare(
  home: string,
  folder: string,
  found: HomeSnapshot,
  random: () => number,
  round: number,
): Promise<HomeSnapshot> {
  const { service } = engineOf(home);
  for (const { info } of found.values()) {
    await writeToNow(info, round, Math.floor(random() * 150_000), 1 + Math.floor(random() * 20_000), [folder]);
    const { name: machine } = info;
    for (const { id } of info.checkpoints.slice(mostPoints)) {
      await service.delete({ machine, checkpoint: id, purge: true });
    }
    for (const { checkpoint } of info.trash.slice(0, -mostPoints)) {
      await service.emptyTrash({ machine, checkpoint: checkpoint.id }, {});
    }
  }
  await giveMemory(found.get(source)?.info.folder ?? '', random);
  for (const machine of copies(found).slice(0, -mostCopies)) {
    await service.removeMachine({ machine });
  }
  return snapshotOf(home, folder);
}

/** So that there is something to pack. What an undo or a redo goes to is loaded with its memory: those get none. */
async function giveMemory(place: string, random: () => number): Promise<void> {
  const folder = new MachineFolder(place);
  const { checkpoints } = await folder.read();
  const bare = checkpoints.filter(({ memory, expires }) => memory === undefined && expires === undefined);
  const chosen = pick(bare, random);
  if (chosen !== undefined) {
    await giveMemoryTo(folder, chosen, Buffer.from(`guest ${random()} `.repeat(40_000)));
  }
}

async function runFor(home: string, args: string[]): Promise<number> {
  const started = performance.now();
  assert.equal(await kill(home, args, undefined), false);
  return performance.now() - started;
}

/** After a time, or when so many changes below the machines were seen. */
type Moment = { ms: number } | { changes: number };

/** Kills `ckpt` at a moment, unless it was faster. @returns whether it was killed */
async function kill(home: string, args: string[], moment: Moment | undefined): Promise<boolean> {
  let left = moment !== undefined && 'changes' in moment ? moment.changes : Infinity;
  const watcher = watch(path.join(home, 'machines'), { recursive: true });
  const child = spawn(process.execPath, [engineFile, ...args], {
    env: { ...process.env, VM_CHECKPOINTS_HOME: home },
    stdio: 'ignore',
  });
  watcher.on('error', () => undefined);
  watcher.on('change', () => {
    left -= 1;
    if (left === 0) {
      child.kill('SIGKILL');
    }
  });
  const timer = moment !== undefined && 'ms' in moment ? setTimeout(() => child.kill('SIGKILL'), moment.ms) : undefined;
  const by = await new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  clearTimeout(timer);
  watcher.close();
  return by === 'SIGKILL';
}

/** Nothing lies about for the next engine to end. */
async function isInOrder(home: string): Promise<boolean> {
  return faultsOfHome(home).then(
    ({ unknown, missing }) => unknown.length + missing.length === 0,
    () => false,
  );
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(Boolean, () => false);
}
