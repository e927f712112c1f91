import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseParams } from '../../../../engine/checkpoints/operation-params.ts';
import { operationNames, type OperationName, type Params } from '../../../../engine/protocol/operations.ts';

/** Everything that each operation takes. */
const full: { [K in OperationName]: Params<K> } = {
  about: {},
  list: {},
  show: { machine: 'lab' },
  images: {},
  createMachine: { name: 'lab', disk: '/d.qcow2', image: 'x', format: 'raw', memoryMiB: 256, cpus: 2 },
  addMachine: {
    name: 'lab',
    host: 'disks',
    disk: '/d.qcow2',
    moreDisks: ['/e.vhdx'],
    format: 'raw',
    memoryMiB: 256,
    cpus: 2,
  },
  removeMachine: { machine: 'lab' },
  start: { machine: 'lab' },
  stop: { machine: 'lab', force: true, timeoutSeconds: 0.5 },
  pause: { machine: 'lab' },
  resume: { machine: 'lab' },
  reset: { machine: 'lab' },
  saveState: { machine: 'lab' },
  discardState: { machine: 'lab' },
  take: {
    machine: 'lab',
    name: 'n',
    notes: '',
    memory: false,
    createdBy: 'task',
    keepLast: 3,
    git: { branch: 'main', commit: '0123abc' },
  },
  apply: { machine: 'lab', checkpoint: 'n', discardNow: true, disksOnly: false },
  revert: { machine: 'lab', discardNow: true, disksOnly: false },
  undo: { machine: 'lab' },
  redo: { machine: 'lab' },
  delete: { machine: 'lab', checkpoint: 'n', also: ['m'], subtree: true, purge: true, speed: 1 },
  restore: { machine: 'lab', checkpoint: 'n' },
  emptyTrash: { machine: 'lab', checkpoint: 'n', speed: 1 },
  annotate: { machine: 'lab', checkpoint: 'n', notes: '', pinned: true, colour: 'none' },
  rename: { machine: 'lab', checkpoint: 'n', name: 'm' },
  clone: { machine: 'lab', checkpoint: 'n', name: 'twin', full: true },
  flatten: { machine: 'lab' },
  move: { machine: 'lab', folder: '/t' },
  export: { machine: 'lab', target: '/t', checkpoint: 'n', to: 'vhdx' },
  import: { folder: '/t', name: 'lab' },
  mergeLayers: { machine: 'lab', speed: 1 },
  packMemory: { machine: 'lab', olderThanHours: 24 },
  layers: { machine: 'lab', checkpoint: 'base' },
  history: { machine: 'lab', last: 20 },
  setGroup: { machine: 'lab', group: 'g' },
  forgetMachine: { machine: 'lab' },
  compare: { machine: 'lab', checkpoint: 'a', other: 'b', limit: 10 },
  groupList: {},
  groupTake: { name: 'n', machines: ['lab', 'server'], notes: '', memory: false, kind: 'production' },
  groupApply: { group: 'n', disksOnly: true },
  groupDelete: { group: 'n' },
  diskInfo: { file: '/d', from: 'raw', allowParents: ['/p'] },
  diskCreate: {
    file: '/d',
    to: 'vhdx',
    sizeBytes: 1024,
    parent: '/p',
    from: 'raw',
    fixed: true,
    blockBytes: 1024,
    logicalSectorBytes: 512,
    allowParents: ['/p'],
  },
  diskChain: { file: '/d', from: 'raw', allowParents: ['/p'] },
  diskMap: { file: '/d', from: 'raw', allowParents: ['/p'], snapshot: 's', offset: 512, limit: 10 },
  diskCheck: { file: '/d', from: 'raw', allowParents: ['/p'], repair: true },
  diskMerge: { file: '/d', from: 'raw', allowParents: ['/p'], into: '/p', reverse: true },
  diskConvert: {
    file: '/d',
    from: 'raw',
    allowParents: ['/p'],
    snapshot: 's',
    target: '/t',
    to: 'vhd',
    flatten: true,
    fixed: true,
    blockBytes: 1024,
    logicalSectorBytes: 512,
  },
  diskCompact: { file: '/d', from: 'raw', allowParents: ['/p'] },
  diskResize: { file: '/d', from: 'raw', allowParents: ['/p'], sizeBytes: 1024 },
  diskCompare: { file: '/d', other: '/e', from: 'raw', to: 'raw', allowParents: ['/p'], snapshot: 's', limit: 10 },
  diskRebase: { file: '/d', parent: '/p', from: 'raw', acceptMismatch: true, allowParents: ['/p'] },
  diskServe: { file: '/d', from: 'raw', allowParents: ['/p'], snapshot: 's', socket: '/s', readOnly: true },
  diskStopServing: { socket: '/s' },
  jobs: {},
  followJob: { job: 'abcd' },
  cancelJob: { job: 'abcd' },
  resumeJob: { job: 'abcd' },
  policy: { machine: 'lab', policy: { keepLast: 3 } },
  prune: { machine: 'lab', dryRun: true },
  space: { machine: 'lab' },
  freeSpace: { machine: 'lab', dryRun: true },
  doctor: { machine: 'lab', deep: true, repair: true, acceptChanged: true },
  plan: { operation: 'take', params: { machine: 'lab' } },
  guardBegin: {
    machine: 'lab',
    command: ['make', 'all'],
    where: 'guest',
    name: 'n',
    memory: true,
    kind: 'standard',
    git: { branch: 'main', commit: 'abc' },
  },
  guardEnd: { machine: 'lab', checkpoint: 'abcd', end: { exitCode: 1, signal: 'SIGTERM' }, outcome: 'keep' },
  guestExec: { machine: 'lab', command: ['true'], timeoutSeconds: 1 },
};

const required: { [K in OperationName]: string[] } = {
  about: [],
  list: [],
  show: ['machine'],
  images: [],
  createMachine: ['name'],
  addMachine: ['name', 'disk'],
  removeMachine: ['machine'],
  start: ['machine'],
  stop: ['machine'],
  pause: ['machine'],
  resume: ['machine'],
  reset: ['machine'],
  saveState: ['machine'],
  discardState: ['machine'],
  take: ['machine'],
  apply: ['machine', 'checkpoint'],
  revert: ['machine'],
  undo: ['machine'],
  redo: ['machine'],
  delete: ['machine', 'checkpoint'],
  restore: ['machine', 'checkpoint'],
  emptyTrash: ['machine'],
  annotate: ['machine', 'checkpoint'],
  rename: ['machine', 'checkpoint', 'name'],
  clone: ['machine', 'name'],
  flatten: ['machine'],
  move: ['machine'],
  export: ['machine', 'target'],
  import: ['folder'],
  groupList: [],
  groupTake: ['machines'],
  groupApply: ['group'],
  groupDelete: ['group'],
  diskInfo: ['file'],
  diskCreate: ['file', 'to'],
  diskChain: ['file'],
  diskMap: ['file'],
  diskCheck: ['file'],
  diskMerge: ['file'],
  diskConvert: ['file', 'target', 'to'],
  diskCompact: ['file'],
  diskResize: ['file', 'sizeBytes'],
  diskCompare: ['file', 'other'],
  diskRebase: ['file', 'parent'],
  diskServe: ['file', 'socket'],
  diskStopServing: ['socket'],
  jobs: [],
  followJob: ['job'],
  cancelJob: ['job'],
  resumeJob: ['job'],
  policy: ['machine'],
  prune: [],
  space: [],
  freeSpace: [],
  mergeLayers: ['machine'],
  packMemory: ['machine'],
  layers: ['machine'],
  history: ['machine'],
  setGroup: ['machine', 'group'],
  forgetMachine: ['machine'],
  compare: ['machine', 'checkpoint', 'other'],
  doctor: [],
  plan: ['operation', 'params'],
  guardBegin: ['machine', 'command'],
  guardEnd: ['machine', 'end', 'outcome'],
  guestExec: ['machine', 'command'],
};

const wrongTypes: Record<string, unknown[]> = {
  string: [undefined, null, 7, true, {}, [], ['lab'], 'x'.repeat(5000).repeat(100)],
  number: [undefined, null, '7', true, {}, [], Number.NaN, Infinity, -1, 2 ** 53],
  boolean: [undefined, null, 'true', 0, 1, {}, []],
  object: [undefined, null, 'x', 7, [7], { extra: 1 }],
};

for (const name of operationNames) {
  test(`${name}: everything it takes → taken as it is`, () => {
    assert.deepEqual(parseParams(name, full[name]), full[name]);
  });

  test(`${name}: something it does not know → InvalidArgument`, () => {
    for (const extra of ['extra', 'Machine', 'signal', 'progressId', 'toString']) {
      assert.throws(() => parseParams(name, { ...full[name], [extra]: 'x' }), {
        name: 'CheckpointError',
        code: 'InvalidArgument',
      });
    }
  });

  test(`${name}: no object → InvalidArgument`, () => {
    for (const params of [undefined, null, 'lab', 7, ['lab'], true]) {
      assert.throws(() => parseParams(name, params), { code: 'InvalidArgument' });
    }
  });

  for (const [field, value] of Object.entries(full[name])) {
    test(`${name}: ${field} of a wrong type → InvalidArgument, naming it`, () => {
      // What params to plan with hold is parsed as the operation's own.
      const isOpen = name === 'plan' && field === 'params';
      for (const wrong of (wrongTypes[typeof value] ?? []).slice(0, isOpen ? -1 : undefined)) {
        assert.throws(
          () => parseParams(name, { ...full[name], [field]: wrong }),
          { code: 'InvalidArgument', message: new RegExp(`“${field}`) },
          String(wrong),
        );
      }
    });
    test(`${name}: without ${field} → ${required[name].includes(field) ? 'InvalidArgument' : 'accepted'}`, () => {
      const rest = Object.fromEntries(Object.entries(full[name]).filter(([key]) => key !== field));
      if (required[name].includes(field)) {
        assert.throws(() => parseParams(name, rest), { code: 'InvalidArgument' });
      } else {
        assert.deepEqual(parseParams(name, rest), rest);
      }
    });
  }
}

test('hardware out of bounds, or half a processor → InvalidArgument', () => {
  for (const change of [{ memoryMiB: 15 }, { memoryMiB: 2 ** 30 }, { memoryMiB: 16.5 }, { cpus: 0 }, { cpus: 256 }]) {
    assert.throws(() => parseParams('addMachine', { ...full.addMachine, ...change }), { code: 'InvalidArgument' });
  }
});

test('a path with a zero byte → InvalidArgument', () => {
  assert.throws(() => parseParams('addMachine', { name: 'lab', disk: '/a\0b' }), { code: 'InvalidArgument' });
});

test('a checkpoint that says it was kept by apply or undo → InvalidArgument: only those make them', () => {
  for (const createdBy of ['apply', 'undo', 'nobody']) {
    assert.throws(() => parseParams('take', { machine: 'lab', createdBy }), { code: 'InvalidArgument' });
  }
});
