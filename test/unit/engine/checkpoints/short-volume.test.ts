import assert from 'node:assert/strict';
import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { apply } from '../../../../engine/checkpoints/apply.ts';
import type { EngineContext } from '../../../../engine/checkpoints/engine-context.ts';
import { take } from '../../../../engine/checkpoints/take.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import type { Engine } from '../../../../engine/engine.ts';
import { DisksHost } from '../../../../engine/hosts/disks/disks-host.ts';
import { QemuHost } from '../../../../engine/hosts/qemu/qemu-host.ts';
import { CheckpointError, toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { Home } from '../../../../engine/store/home.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { engineOf, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { fillUp, freeBytes, smallVolume, type VolumeKind } from '../../../support/small-volume.ts';
import { folderOf } from '../temporary-folder.ts';
import { disorderOf, machineOf, pointsOf } from './copies-lab.ts';

const mebibyte = 2 ** 20;
const machine = 'lab';

interface ShortLab {
  engine: Engine;
  volume: string;
  /** On another volume, with space. */
  elsewhere: string;
  points: Record<string, string>;
}

/**
 * On a small volume, each layer of 4 MiB:
 *
 * ```
 * one ─┬─ two ── Before applying “one” (expires)        in the trash: dropped
 *      └─ three ── Now
 * ```
 */
async function shortLab(
  context: TestContext,
  sizeBytes = 96 * mebibyte,
  kind: VolumeKind = 'tmpfs',
): Promise<ShortLab | undefined> {
  const volume = await smallVolume(context, sizeBytes, kind);
  if (volume === undefined) {
    return undefined;
  }
  const elsewhere = await folderOf(context);
  const engine = engineOf(path.join(volume, 'home'));
  const image = path.join(elsewhere, 'image.qcow2');
  await create(image, { format: 'qcow2', virtualSizeBytes: 32 * mebibyte });
  await engine.service.createMachine({ name: machine, disk: image }, {});
  let tag = 0;
  const write = async (): Promise<void> => {
    tag += 1;
    await writeToNow(await machineOf(engine), tag, tag * 4 * mebibyte, 4 * mebibyte);
  };
  await write();
  await engine.service.take({ machine, name: 'one' }, {});
  await write();
  await engine.service.take({ machine, name: 'two' }, {});
  await write();
  await engine.service.apply({ machine, checkpoint: 'one' }, {});
  await write();
  await engine.service.take({ machine, name: 'dropped' }, {});
  await write();
  await engine.service.revert({ machine, discardNow: true }, {});
  await engine.service.apply({ machine, checkpoint: 'one', discardNow: true }, {});
  await engine.service.delete({ machine, checkpoint: 'dropped' });
  await write();
  await engine.service.take({ machine, name: 'three' }, {});
  await write();
  return { engine, volume, elsewhere, points: await pointsOf(engine, elsewhere) };
}

/** The refusal, which has changed nothing on the volume. */
async function refused(volume: string, name: string, act: () => Promise<unknown>): Promise<CheckpointError> {
  const before = freeBytes(volume);
  const error = await act().then(
    () => assert.fail(`${name} was not refused`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof CheckpointError, `${name}: ${String(error)}`);
  assert.equal(error.code, 'NotEnoughSpace', `${name}: ${error.message}`);
  const { neededBytes, shortBytes, freeBytes: free } = error.data;
  assert.ok(typeof neededBytes === 'number' && typeof shortBytes === 'number' && shortBytes > 0, error.message);
  // The lock, while it is held, takes a block.
  assert.ok(typeof free === 'number' && before - free < 64 * 1024, `${name}: ${String(free)} of ${before}`);
  assert.equal(shortBytes, neededBytes - free, name);
  assert.equal(freeBytes(volume), before, `${name} has written`);
  return error;
}

const ways = z.array(
  z.object({
    kind: z.string(),
    machine: z.string(),
    bytes: z.number(),
    checkpoints: z.array(z.object({ name: z.string() })),
  }),
);

/** The machine as it would be opened while its guest runs. */
async function asIfRunning(engine: Engine): Promise<Parameters<typeof take>[1]> {
  const folder = new MachineFolder((await machineOf(engine)).folder);
  return {
    folder,
    records: await folder.read(),
    runningSeconds: undefined,
    presence: { state: 'running', pid: process.pid },
    about: [],
  };
}

function contextOf({ engine }: ShortLab): EngineContext {
  const home = new Home(engine.home.root);
  return {
    home,
    hosts: { qemu: new QemuHost(home), disks: new DisksHost() },
    face: 'test',
    log: engine.log,
    changed: new Set(),
  };
}

/** What next to nothing is needed for. */
const small: Record<string, (lab: ShortLab) => Promise<unknown>> = {
  'take without memory': ({ engine }) => engine.service.take({ machine, name: 'new' }, {}),
  'apply of a stopped machine': ({ engine }) => engine.service.apply({ machine, checkpoint: 'two' }, {}),
};

const large: Record<string, (lab: ShortLab) => Promise<unknown>> = {
  'clone in full': ({ engine }) => engine.copies.clone({ machine, checkpoint: 'two', name: 'twin', full: true }, {}),
  'export of the machine': ({ engine, volume }) =>
    engine.copies.export({ machine, target: path.join(volume, 'exported whole') }, {}),
  'export of a checkpoint': ({ engine, volume }) =>
    engine.copies.export({ machine, target: path.join(volume, 'exported'), checkpoint: 'two', to: 'vhdx' }, {}),
  import: ({ engine, elsewhere }) => engine.copies.import({ folder: path.join(elsewhere, 'big') }, {}),
  'create-machine': ({ engine, elsewhere }) =>
    engine.service.createMachine({ name: 'more', disk: path.join(elsewhere, 'full.qcow2') }, {}),
  flatten: ({ engine }) => engine.copies.flatten({ machine: 'linked' }, {}),
  convert: ({ engine, elsewhere, volume }) =>
    engine.disks.diskConvert(
      { file: path.join(elsewhere, 'full.qcow2'), target: path.join(volume, 'new.vhd'), to: 'vhd' },
      {},
    ),
  'merge of images': ({ engine, volume }) => engine.disks.diskMerge({ file: path.join(volume, 'top.qcow2') }, {}),
  'delete for good, with a merge': ({ engine }) => engine.service.delete({ machine, checkpoint: 'three', purge: true }),
};

const withMemory: Record<string, (lab: ShortLab) => Promise<unknown>> = {
  'take with memory': async (lab) => take(contextOf(lab), await asIfRunning(lab.engine), { name: 'new' }, {}),
  'apply, which keeps the memory of Now': async (lab) => {
    const open = await asIfRunning(lab.engine);
    const [target] = open.records.checkpoints;
    assert.ok(target !== undefined);
    return apply(contextOf(lab), open, target, 'apply', {}, {});
  },
};

test('a volume that is too short → each operation is refused before it begins, with the way out; free-space is one', async (context) => {
  const lab = await shortLab(context, 192 * mebibyte);
  if (lab === undefined) {
    return;
  }
  const { engine, volume, elsewhere, points } = lab;
  await makeOthers(lab);
  const foretold = await engine.retention.freeSpace({ dryRun: true }, {});
  const refuse = async (name: string, operation: (lab: ShortLab) => Promise<unknown>): Promise<void> => {
    const error = await refused(volume, name, () => operation(lab));
    const [first] = ways.parse(error.data['waysToFree']);
    assert.equal(first?.kind, 'trash', error.message);
    assert.equal(first.machine, machine);
    assert.deepEqual(
      first.checkpoints.map((one) => one.name),
      ['dropped'],
    );
    assert.ok(first.bytes >= 4 * mebibyte && first.bytes < 6 * mebibyte, `${first.bytes} bytes`);
    assert.equal(error.data['freeSpaceBytes'], foretold.freedBytes, 'both at once');
  };
  const filler = fillUp(volume, 1.5 * mebibyte);
  for (const [name, operation] of Object.entries({ ...withMemory, ...large })) {
    await refuse(name, operation);
  }
  fillUp(volume, 256 * 1024);
  for (const [name, operation] of Object.entries(small)) {
    await refuse(name, operation);
  }
  assert.deepEqual(await pointsOf(engine, elsewhere), points);
  context.diagnostic(`${Object.keys({ ...withMemory, ...large, ...small }).length} operations refused`);

  const before = freeBytes(volume);
  const freed = await engine.retention.freeSpace({}, {});
  assert.ok(freed.freedBytes >= foretold.freedBytes, `${freed.freedBytes} of ${foretold.freedBytes}`);
  assert.ok(freeBytes(volume) - before >= 8 * mebibyte);
  assert.deepEqual(
    freed.machines.map(({ trash, kept }) => [trash, kept]),
    [[['dropped'], ['Before applying “one”']]],
  );
  const { 'Before applying “one”': _, ...staying } = points;
  assert.deepEqual(await pointsOf(engine, elsewhere), staying);
  await rm(filler);
  for (const [name, operation] of Object.entries({ ...small, ...large })) {
    await assert.doesNotReject(operation(lab), name);
  }
  assert.deepEqual(await disorderOf({ home: engine.home.root, image: '' }), []);
});

/** A full disk and an exported machine of it elsewhere; a machine that stands on that, and images to merge, on the volume. */
async function makeOthers({ engine, elsewhere, volume }: ShortLab): Promise<void> {
  const full = path.join(elsewhere, 'full.qcow2');
  await create(full, { format: 'qcow2', virtualSizeBytes: 16 * mebibyte });
  const other = engineOf(path.join(elsewhere, 'home'));
  await other.service.addMachine({ name: 'big', host: 'disks', disk: full }, {});
  await writeToNow(await machineOf(other, 'big'), 99, 0, 12 * mebibyte);
  await other.service.removeMachine({ machine: 'big' });
  await other.service.createMachine({ name: 'big', disk: full }, {});
  await other.copies.export({ machine: 'big', target: path.join(elsewhere, 'big') }, {});
  await engine.service.addMachine({ name: 'linked', disk: full }, {});
  const bottom = path.join(volume, 'bottom.qcow2');
  await create(bottom, { format: 'qcow2', virtualSizeBytes: 16 * mebibyte });
  await create(path.join(volume, 'top.qcow2'), { format: 'qcow2', parent: { file: bottom } });
  await writeToNow({ disks: [{ activeLayer: path.join(volume, 'top.qcow2') }] }, 7, 0, 6 * mebibyte);
}

for (const kind of ['tmpfs', 'ext4'] as const) {
  test(`${kind}, full to the last byte → list and show work, a leaf can be deleted, and the reserve comes back`, async (context) => {
    const lab = await shortLab(context, 96 * mebibyte, kind);
    if (lab === undefined) {
      return;
    }
    const { engine, volume, elsewhere, points } = lab;
    const filler = fillUp(volume);
    assert.ok(freeBytes(volume) < 4096);
    const { hosts } = await engine.service.list();
    assert.equal(hosts[0]?.machines[0]?.checkpoints.length, 4);
    assert.deepEqual(await pointsOf(engine, elsewhere), points);
    const reserve = path.join((await machineOf(engine)).folder, 'reserve');
    assert.ok((await stat(reserve)).blocks > 0);
    const gone = await engine.service.delete({ machine, checkpoint: 'Before applying “one”', purge: true });
    assert.ok(gone.freedBytes >= 4 * mebibyte, `${gone.freedBytes} bytes`);
    const { 'Before applying “one”': _, ...staying } = points;
    assert.deepEqual(await pointsOf(engine, elsewhere), staying);
    assert.ok(freeBytes(volume) > 3 * mebibyte);
    assert.ok((await stat(reserve)).blocks > 0, 'kept again');

    await rm(filler);
    fillUp(volume);
    await engine.service.delete({ machine, checkpoint: 'two' });
    assert.equal((await machineOf(engine)).checkpoints.length, 2, 'into the trash, too');
    await engine.retention.freeSpace({}, {});
    assert.equal((await machineOf(engine)).trash.length, 0);
    const { two: __, ...left } = staying;
    assert.deepEqual(await pointsOf(engine, elsewhere), left);
    assert.deepEqual(await disorderOf({ home: engine.home.root, image: '' }), []);
  });
}

test('a volume that somebody else fills in the middle → the state before, and nothing left over', async (context) => {
  const lab = await shortLab(context);
  if (lab === undefined) {
    return;
  }
  const { engine, volume, elsewhere, points } = lab;
  const filler = path.join(volume, 'somebody-elses');
  let isFilled = false;
  const during = (): { report: () => void } => {
    isFilled = false;
    return {
      report: () => {
        isFilled = true;
        fillUp(volume);
      },
    };
  };
  const operations: Record<string, () => Promise<unknown>> = {
    clone: () => engine.copies.clone({ machine, checkpoint: 'two', name: 'twin', full: true }, during()),
    export: () => engine.copies.export({ machine, target: path.join(volume, 'exported') }, during()),
    'create-machine': () =>
      engine.service.createMachine({ name: 'more', disk: path.join(elsewhere, 'full.qcow2') }, during()),
  };
  await makeOthers(lab);
  for (const [name, operation] of Object.entries(operations)) {
    await assert.rejects(operation(), (error) => toWireError(error).code === 'NotEnoughSpace', name);
    assert.ok(isFilled, name);
    await rm(filler);
    assert.deepEqual(await pointsOf(engine, elsewhere), points, name);
    assert.deepEqual(await disorderOf({ home: engine.home.root, image: '' }), [], name);
  }

  // What was deleted is; its layers merge away when there is space again.
  const merged = await engine.service.delete({ machine, checkpoint: 'three', purge: true }, during());
  assert.match(merged.problem ?? '', /full|needs/);
  await rm(filler);
  const { three: _, ...staying } = points;
  assert.deepEqual(await pointsOf(engine, elsewhere), staying);
  const layers = (await engine.retention.space({ machine }, {})).machines[0]?.totalBytes ?? 0;
  await engine.retention.prune({ machine }, {});
  assert.ok(((await engine.retention.space({ machine }, {})).machines[0]?.totalBytes ?? 0) <= layers);
  assert.deepEqual(await pointsOf(engine, elsewhere), staying);
  assert.deepEqual(await disorderOf({ home: engine.home.root, image: '' }), []);
});

test('disks on several volumes, none of them the home’s → the one that is short is told', async (context) => {
  const [roomy, short] = [await smallVolume(context, 32 * mebibyte), await smallVolume(context, 32 * mebibyte)];
  if (roomy === undefined || short === undefined) {
    return;
  }
  const folder = await folderOf(context);
  const engine = engineOf(path.join(folder, 'home'));
  const disks = [path.join(roomy, 'a.vhdx'), path.join(short, 'b.qcow2')];
  await create(disks[0] ?? '', { format: 'vhdx', virtualSizeBytes: 8 * mebibyte });
  await create(disks[1] ?? '', { format: 'qcow2', virtualSizeBytes: 8 * mebibyte });
  await engine.service.addMachine({ name: 'box', host: 'disks', disk: disks[0] ?? '', moreDisks: disks.slice(1) }, {});
  await engine.service.take({ machine: 'box', name: 'first' }, {});
  fillUp(short, 200 * 1024);
  await assert.rejects(engine.service.take({ machine: 'box', name: 'second' }, {}), (error: unknown) => {
    assert.ok(error instanceof CheckpointError && error.code === 'NotEnoughSpace', String(error));
    assert.equal(error.data['volume'], short);
    return true;
  });
  await rm(path.join(short, 'somebody-elses'));
  fillUp(roomy, 200 * 1024);
  await assert.rejects(engine.service.take({ machine: 'box', name: 'second' }, {}), (error: unknown) => {
    assert.ok(error instanceof CheckpointError && error.code === 'NotEnoughSpace', String(error));
    assert.equal(error.data['volume'], roomy);
    return true;
  });
  await rm(path.join(roomy, 'somebody-elses'));
  await engine.service.take({ machine: 'box', name: 'second' }, {});
  assert.equal((await machineOf(engine, 'box')).checkpoints.length, 2);
});

test('copies keep the holes of what they copy', async (context) => {
  const folder = await folderOf(context);
  const engine = engineOf(path.join(folder, 'home'));
  const image = path.join(folder, 'sparse.raw');
  await create(image, { format: 'raw', virtualSizeBytes: 512 * mebibyte });
  await engine.service.createMachine({ name: 'sparse', disk: image, format: 'raw' }, {});
  const exported = await engine.copies.export({ machine: 'sparse', target: path.join(folder, 'exported') }, {});
  assert.ok(exported.sizeBytes < 4 * mebibyte, `${exported.sizeBytes} bytes`);
});
