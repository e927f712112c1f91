import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, open, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { test } from 'node:test';
import { CheckpointError, toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { machineText } from '../../../../engine/cli/tree-text.ts';
import { contentHash } from '../../../support/faults/home-state.ts';
import { engineOf, lab, makeLab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { folderOf } from '../temporary-folder.ts';
import { copiesLab, machineOf, pointsOf } from './copies-lab.ts';

const machine = lab;
const run = promisify(execFile);

for (const [what, bring] of [
  ['moved', rename],
  ['copied', (from: string, to: string) => cp(from, to, { recursive: true })],
] as const) {
  test(`a machine folder that was ${what} to another home → every point reads as before, and it goes on`, async (context) => {
    const { engine, folder, points } = await copiesLab(context);
    const { folder: from } = await machineOf(engine);
    const home = path.join(folder, 'another place', 'home');
    await mkdir(path.join(home, 'machines'), { recursive: true });
    await bring(from, path.join(home, 'machines', 'elsewhere'));
    const other = engineOf(home);
    assert.deepEqual(await pointsOf(other, folder, 'elsewhere'), points);
    await other.service.take({ machine: 'elsewhere', name: 'there' }, {});
    await other.service.apply({ machine: 'elsewhere', checkpoint: 'two' }, {});
    await other.service.delete({ machine: 'elsewhere', checkpoint: 'three', purge: true });
    const { isSound } = await other.doctor.doctor({}, {});
    assert.ok(isSound);
    const after = await pointsOf(other, folder, 'elsewhere');
    assert.equal(after['Now'], points['two']);
    assert.equal(after['one'], points['one']);
  });
}

test('a home that cannot be written → list, show and doctor work, changes are refused with the reason', async (context) => {
  const { engine, place, points, folder } = await copiesLab(context);
  const home = path.join(folder, 'read-only');
  await mkdir(home);
  try {
    await run('mount', ['--bind', place.home, home]);
  } catch (error) {
    context.skip(`No read-only mount can be made here: ${String(error).split('\n')[0] ?? ''}`);
    return;
  }
  try {
    await run('mount', ['-o', 'remount,ro,bind', home]);
    const reader = engineOf(home);
    const { hosts } = await reader.service.list();
    assert.deepEqual(
      hosts.flatMap(({ machines }) => machines.map(({ name, state }) => [name, state])),
      [[machine, 'stopped']],
    );
    assert.equal((await machineOf(reader)).checkpoints.length, (await machineOf(engine)).checkpoints.length);
    assert.ok((await reader.doctor.doctor({}, {})).isSound);
    for (const change of [
      (): Promise<unknown> => reader.service.take({ machine }, {}),
      (): Promise<unknown> => reader.service.apply({ machine, checkpoint: 'two' }, {}),
      (): Promise<unknown> => reader.service.delete({ machine, checkpoint: 'two' }),
      (): Promise<unknown> => reader.service.createMachine({ name: 'new', disk: place.image }, {}),
    ]) {
      await assert.rejects(change, (error: unknown) => toWireError(error).code === 'PermissionDenied');
    }
  } finally {
    await run('umount', [home]);
  }
  assert.deepEqual(await pointsOf(engine, folder), points);
});

test('a parent that was edited: bigger, or another time → never used; the message names file, expected, found, ways out', async (context) => {
  const edits: Record<string, (file: string) => Promise<void>> = {
    bigger: (file) => writeFile(file, 'more', { flag: 'a' }),
    'the same size, another time': async (file) => {
      const handle = await open(file, 'r+');
      const { size } = await handle.stat();
      await handle.write(Buffer.from('edited'), 0, 6, size - 6);
      await handle.close();
    },
  };
  for (const [what, edit] of Object.entries(edits)) {
    const { engine } = await copiesLab(context);
    const of = new MachineFolder((await machineOf(engine)).folder);
    const one = (await of.read()).checkpoints.find(({ name }) => name === 'one');
    const file = of.inner(one?.layers['disk0'] ?? '');
    await chmod(file, 0o600);
    await edit(file);
    await assert.rejects(engine.service.apply({ machine, checkpoint: 'two' }, {}), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'data' in error, what);
      assert.equal(error.code, 'ParentMismatch', what);
      assert.ok(error.message.includes(file), what);
      assert.match(error.message, /was .+, and is .+Restore that file from a backup.*--accept-changed/s, what);
      return true;
    });
  }
});

test('a parent that was replaced by a copy with equal content → it is used', async (context) => {
  const { engine, points, folder } = await copiesLab(context);
  const of = new MachineFolder((await machineOf(engine)).folder);
  const one = (await of.read()).checkpoints.find(({ name }) => name === 'one');
  const file = of.inner(one?.layers['disk0'] ?? '');
  await copyFile(file, `${file}.copy`);
  await rename(`${file}.copy`, file);
  await utimes(file, 1, 1);
  await engine.service.apply({ machine, checkpoint: 'two' }, {});
  assert.equal((await pointsOf(engine, folder))['Now'], points['two']);
});

test('spaces, quotes, line breaks, Unicode and much depth in the home’s path → everything works', async (context) => {
  const folder = await folderOf(context);
  const deep = Array.from({ length: 8 }, () => 'long'.repeat(20));
  for (const home of [
    path.join(folder, `with 'quotes', "more" \n and a line break`, 'Ünïcödé 日本語'),
    path.join(folder, ...deep),
  ]) {
    await mkdir(home, { recursive: true });
    const place = { home, image: path.join(home, 'an image.qcow2') };
    await makeLab(place);
    const engine = engineOf(home);
    const points = await pointsOf(engine, home);
    await engine.service.apply({ machine, checkpoint: 'two' }, {});
    await engine.service.undo({ machine }, {});
    const { 'Before undo': _undone, ...after } = await pointsOf(engine, home);
    assert.deepEqual(after, points);
    await engine.copies.clone({ machine, checkpoint: 'two', name: 'linked' }, {});
    assert.equal((await pointsOf(engine, home, 'linked'))['Now'], points['two']);
    await engine.service.delete({ machine, checkpoint: 'three', purge: true });
    assert.ok((await engine.doctor.doctor({}, {})).isSound);
  }
});

test('names that only differ in composition or case → one machine; checkpoints may share a name, and are told apart by id', async (context) => {
  const { engine, place } = await copiesLab(context);
  const composed = 'caf\u00e9';
  await engine.service.createMachine({ name: composed, disk: place.image }, {});
  for (const name of ['cafe\u0301', 'CAFÉ', ` ${composed} `]) {
    await assert.rejects(engine.service.createMachine({ name, disk: place.image }, {}), { code: 'NameInUse' }, name);
  }
  assert.equal((await machineOf(engine, 'cafe\u0301')).name, composed);
  // As a copy from a file system that decomposes names leaves it.
  const machines = path.join(place.home, 'machines');
  await rename(path.join(machines, composed), path.join(machines, 'cafe\u0301'));
  await assert.rejects(engine.service.createMachine({ name: composed, disk: place.image }, {}), { code: 'NameInUse' });
  assert.equal((await machineOf(engine, composed)).state, 'stopped');
  for (let round = 0; round < 2; round++) {
    await engine.service.take({ machine, name: round === 0 ? composed : 'cafe\u0301' }, {});
  }
  await assert.rejects(engine.service.apply({ machine, checkpoint: composed }, {}), { code: 'AmbiguousName' });
  const ids = (await machineOf(engine)).checkpoints.filter(({ name }) => name === composed).map(({ id }) => id);
  assert.equal(ids.length, 2);
  await engine.service.apply({ machine, checkpoint: ids[0] ?? '' }, {});
});

test('200 checkpoints in a line → each costs what the first ones cost; first, middle and last can be used', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const { service } = engine;
  const times: number[] = [];
  for (let at = 0; at < 200; at++) {
    const started = performance.now();
    await service.take({ machine, name: `line ${at}` }, {});
    times.push(performance.now() - started);
    if (at % 50 === 0) {
      await writeToNow(await machineOf(engine), at + 4, 60_000, 3000);
    }
  }
  const middleOf = (part: readonly number[]): number => part.toSorted((a, b) => a - b)[part.length >> 1] ?? 0;
  const [early, late] = [middleOf(times.slice(0, 40)), middleOf(times.slice(-40))];
  context.diagnostic(`${early.toFixed(0)} ms at first, ${late.toFixed(0)} ms at the end`);
  // Each layer below is read once: the cost of one grows with the depth, and not with its square.
  assert.ok(late < early * 20 + 200, `${early} ms, then ${late} ms`);
  const now = async (): Promise<string> => contentHash((await machineOf(engine)).disks[0]?.activeLayer ?? '', [folder]);
  const before = await now();
  await service.apply({ machine, checkpoint: 'line 0' }, {});
  assert.notEqual(await now(), before);
  await service.undo({ machine }, {});
  assert.equal(await now(), before);
  await service.delete({ machine, checkpoint: 'line 100', purge: true });
  assert.equal(await now(), before);
  assert.ok((await engine.doctor.doctor({}, {})).isSound);
  const text = machineText(await machineOf(engine)).join('\n');
  assert.ok(text.includes('line 199') && !text.includes('line 100'));
});

test('a chain that could not be run any more → the take is refused, and a delete for good makes room', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const { service } = engine;
  const takeUntilRefused = async (): Promise<unknown> => {
    for (;;) {
      try {
        await service.take({ machine }, {});
      } catch (error) {
        return error;
      }
    }
  };
  const refusal = await takeUntilRefused();
  assert.ok(refusal instanceof CheckpointError && refusal.code === 'NotSupported', String(refusal));
  assert.deepEqual([refusal.data['layers'], /--purge.*--full/.test(refusal.message)], [256, true]);
  const { checkpoints, disks } = await machineOf(engine);
  const content = await contentHash(disks[0]?.activeLayer ?? '', [folder]);
  await assert.rejects(service.take({ machine }, {}), { code: 'NotSupported' });
  assert.equal((await machineOf(engine)).checkpoints.length, checkpoints.length);
  await service.delete({ machine, checkpoint: checkpoints.at(-1)?.id ?? '', purge: true });
  await service.take({ machine, name: 'room again' }, {});
  assert.equal(await contentHash((await machineOf(engine)).disks[0]?.activeLayer ?? '', [folder]), content);
});

test('1,000 machines → all are listed, each with its own tree', async (context) => {
  const { engine, place } = await copiesLab(context);
  const model = await machineOf(engine);
  const read = async (file: string): Promise<string> => readFile(path.join(model.folder, file), 'utf8');
  const [definition, now] = await Promise.all([read('machine.json'), read('now.json')]);
  const manifests = await Promise.all(
    model.checkpoints.map(async ({ id }) => ({ id, text: await read(`checkpoints/${id}.json`) })),
  );
  for (let at = 0; at < 1000; at++) {
    const folder = new MachineFolder(path.join(place.home, 'machines', `m${at}`));
    await folder.create();
    const id = `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;
    await writeFile(folder.inner('machine.json'), definition.replaceAll(model.id, id));
    await writeFile(folder.inner('now.json'), now);
    for (const manifest of manifests) {
      await writeFile(folder.inner(`checkpoints/${manifest.id}.json`), manifest.text);
    }
  }
  const { hosts } = await engine.service.list();
  const machines = hosts.flatMap((host) => host.machines);
  assert.equal(machines.length, 1001);
  assert.equal(new Set(machines.map(({ id }) => id)).size, 1001);
  assert.ok(machines.every(({ state, checkpoints }) => state === 'stopped' && checkpoints.length === manifests.length));
  assert.equal((await machineOf(engine, '00000000-0000-4000-8000-000000000777')).name, 'm777');
});
