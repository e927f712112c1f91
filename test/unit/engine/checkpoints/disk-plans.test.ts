import assert from 'node:assert/strict';
import { readdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { openDiskFile } from '../../../../engine/disks/disk-file.ts';
import { createEngine, type Engine } from '../../../../engine/engine.ts';
import { parseParams } from '../../../../engine/checkpoints/operation-params.ts';
import { toWireError } from '../../../../engine/model/checkpoint-error.ts';
import type { OperationPlan, PlannedOperation } from '../../../../engine/protocol/plans.ts';
import { perform } from '../../../../engine/server/server.ts';
import { Home } from '../../../../engine/store/home.ts';
import { folderHash } from '../../../support/folder-hash.ts';
import { folderOf } from '../temporary-folder.ts';

const mebibyte = 2 ** 20;

for (const format of ['vhd', 'vhdx', 'qcow2'] as const) {
  test(`${format}: create, write, merge, convert, resize, compact and rebase → each plan changes nothing, and says what happens`, async (context) => {
    const { folder, foretold } = await lab(context);
    const at = (name: string): string => path.join(folder, name);
    const other = format === 'qcow2' ? 'vhdx' : 'qcow2';
    const base = at(`base.${format}`);
    const child = at(`child.${format}`);
    await foretold('diskCreate', { file: base, to: format, sizeBytes: 16 * mebibyte });
    await fill(base, 1, 0, 3 * mebibyte);
    await foretold('diskCreate', { file: child, to: format, parent: base });
    await fill(child, 2, mebibyte, 4 * mebibyte);

    const chain = await foretold('diskConvert', { file: child, target: at(`chain.${other}`), to: other });
    assert.equal(chain.steps.length, 2, 'a chain stays one');
    await foretold('diskConvert', { file: child, target: at('flat.raw'), to: 'raw', flatten: true });
    await foretold('diskConvert', { file: child, target: at('disk.vmdk'), to: 'vmdk', flatten: true });

    await rename(base, at(`moved.${format}`));
    const rebased = await foretold('diskRebase', { file: child, parent: at(`moved.${format}`) });
    assert.deepEqual(
      rebased.steps.map((step) => (step.kind === 'rebase' ? [step.path, step.to] : [])),
      [[child, at(`moved.${format}`)]],
    );

    const merged = await foretold('diskMerge', { file: child });
    assert.ok(merged.space.movedBytes >= 4 * mebibyte, 'what is moved is known');
    await foretold('diskMerge', { file: child, reverse: true });
    const resized = await foretold('diskResize', { file: child, sizeBytes: 32 * mebibyte });
    assert.deepEqual(resized.steps, [
      { kind: 'resize', path: child, fromBytes: 16 * mebibyte, toBytes: 32 * mebibyte },
    ]);
    await foretold('diskCompact', { file: child });
    await foretold('diskCheck', { file: child, repair: true });
    assert.deepEqual((await foretold('diskCheck', { file: child })).steps, []);
  });
}

test('a fixed disk → the plan says the space that all of it takes', async (context) => {
  const { folder, foretold } = await lab(context);
  const plan = await foretold('diskCreate', {
    file: path.join(folder, 'fixed.vhd'),
    to: 'vhd',
    sizeBytes: 32 * mebibyte,
    fixed: true,
  });
  assert.ok(plan.space.neededBytes >= 32 * mebibyte);
});

test('a fault that can be mended → the plan names it, and it is there until the verb', async (context) => {
  const { folder, engine, foretold } = await lab(context);
  const file = path.join(folder, 'leaking.qcow2');
  await foretold('diskCreate', { file, to: 'qcow2', sizeBytes: 16 * mebibyte });
  await leakCluster(file);
  const plan = await foretold('diskCheck', { file, repair: true });
  assert.deepEqual(
    plan.steps.map(({ kind }) => kind),
    ['mend'],
  );
  assert.deepEqual((await engine.disks.diskCheck({ file }, {})).faults, []);
});

test('what the verb would refuse → refused alike, and nothing is written', async (context) => {
  const { folder, engine, foretold } = await lab(context);
  const at = (name: string): string => path.join(folder, name);
  await foretold('diskCreate', { file: at('base.vhdx'), to: 'vhdx', sizeBytes: 16 * mebibyte });
  await foretold('diskCreate', { file: at('child.vhdx'), to: 'vhdx', parent: at('base.vhdx') });
  await foretold('diskCreate', { file: at('other.vhdx'), to: 'vhdx', sizeBytes: 16 * mebibyte });
  await fill(at('base.vhdx'), 1, 12 * mebibyte, mebibyte);
  const refused: Record<string, [operation: PlannedOperation, params: object]> = {
    'a name that is taken': ['diskCreate', { file: at('base.vhdx'), to: 'vhdx', sizeBytes: mebibyte }],
    'a folder that is not there': ['diskCreate', { file: at('none/new.vhdx'), to: 'vhdx', sizeBytes: mebibyte }],
    'neither size nor parent': ['diskCreate', { file: at('new.vhdx'), to: 'vhdx' }],
    'a size that is none': ['diskCreate', { file: at('new.vhd'), to: 'vhd', sizeBytes: 1000 }],
    'a fixed qcow2': ['diskCreate', { file: at('new.qcow2'), to: 'qcow2', sizeBytes: mebibyte, fixed: true }],
    'more than fits': ['diskCreate', { file: at('huge.vhdx'), to: 'vhdx', sizeBytes: 2 ** 50 }],
    'a disk without a parent': ['diskMerge', { file: at('base.vhdx') }],
    'no ancestor': ['diskMerge', { file: at('child.vhdx'), into: at('other.vhdx') }],
    'a target that is there': ['diskConvert', { file: at('base.vhdx'), target: at('other.vhdx'), to: 'vhdx' }],
    'a chain in raw': ['diskConvert', { file: at('child.vhdx'), target: at('new.raw'), to: 'raw' }],
    'an end that holds something': ['diskResize', { file: at('base.vhdx'), sizeBytes: 2 * mebibyte }],
    'another parent': ['diskRebase', { file: at('child.vhdx'), parent: at('other.vhdx') }],
    'its own parent': ['diskRebase', { file: at('child.vhdx'), parent: at('child.vhdx') }],
    'no image': ['diskCompact', { file: at('nothing.vhdx') }],
  };
  for (const [what, [operation, params]] of Object.entries(refused)) {
    await assert.rejects(foretold(operation, params), { name: 'CheckpointError' }, what);
  }
  const writer = await openDiskFile(at('base.vhdx'), 'write');
  try {
    for (const [operation, params] of [
      ['diskCompact', { file: at('base.vhdx') }],
      ['diskResize', { file: at('base.vhdx'), sizeBytes: 32 * mebibyte }],
      ['diskMerge', { file: at('child.vhdx') }],
    ] as const) {
      await assert.rejects(engine.plans.plan({ operation, params }), { code: 'DiskInUse' });
    }
  } finally {
    await writer.close();
  }
});

interface Lab {
  folder: string;
  engine: Engine;
  /** Plans an operation and carries it out: the plan changes nothing, and says what then happens. */
  foretold: (operation: PlannedOperation, params: object) => Promise<OperationPlan>;
}

async function lab(context: TestContext): Promise<Lab> {
  const folder = await folderOf(context);
  const engine = createEngine('test', new Home(path.join(await folderOf(context), 'home')));
  return {
    folder,
    engine,
    foretold: async (operation, params) => {
      const before = await filesIn(folder);
      const hash = await folderHash(folder);
      const planned = await settled(engine.plans.plan({ operation, params: { ...params } }));
      assert.equal(await folderHash(folder), hash, `the plan of ${operation} changed something`);
      const done = await settled(perform(engine, operation, parseParams(operation, params), {}));
      if (planned.plan === undefined || done.plan === undefined) {
        assert.deepEqual(planned.error, done.error, operation);
        assert.equal(await folderHash(folder), hash, `${operation} was refused and changed something`);
        return done.plan === undefined ? done.rethrow() : assert.fail(`${operation} was done`);
      }
      const after = await filesIn(folder);
      const made = planned.plan.steps.flatMap((step) => (step.kind === 'create' && 'path' in step ? [step.path] : []));
      assert.deepEqual([...after.keys()].filter((file) => !before.has(file)).sort(), made.sort(), operation);
      const grown = total(after) - total(before);
      const { neededBytes, freed } = planned.plan.space;
      assert.ok(grown <= neededBytes, `${operation}: ${grown} bytes more, ${neededBytes} were foretold`);
      assert.ok(-grown <= Math.max(freed.mostBytes, 0), `${operation}: ${-grown} bytes less`);
      return planned.plan;
    },
  };
}

async function settled<T>(
  promise: Promise<T>,
): Promise<{ plan: T; error?: undefined } | { plan?: undefined; error: object; rethrow: () => never }> {
  return promise.then(
    (plan) => ({ plan }),
    (thrown: unknown) => ({
      error: toWireError(thrown),
      rethrow: () => {
        throw thrown;
      },
    }),
  );
}

async function filesIn(folder: string): Promise<Map<string, number>> {
  const names = await readdir(folder);
  return new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, number]> => {
        const file = path.join(folder, name);
        return [file, (await stat(file)).blocks * 512];
      }),
    ),
  );
}

function total(files: ReadonlyMap<string, number>): number {
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

async function fill(file: string, value: number, offset: number, length: number): Promise<void> {
  const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
  try {
    await chain.top.write(Buffer.alloc(length, value), offset);
    await chain.top.flush();
  } finally {
    await chain.close();
  }
}

/** A cluster more, behind the others, that counts as used by nobody: the first refcount block says so. */
async function leakCluster(file: string): Promise<void> {
  const image = await openDiskFile(file, 'write');
  try {
    const header = Buffer.alloc(104);
    await image.read(header, 0);
    const table = Buffer.alloc(8);
    await image.read(table, Number(header.readBigUInt64BE(48)));
    const clusters = Math.ceil((await image.size()) / 65536);
    await image.truncate((clusters + 1) * 65536);
    await image.write(Buffer.from([0, 1]), Number(table.readBigUInt64BE(0)) + clusters * 2);
    await image.sync();
  } finally {
    await image.close();
  }
}
