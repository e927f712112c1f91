import { mkdir, readdir, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { call, lab, type PreparedVerb, type VerbCall } from '../../../support/faults/stopped-lab.ts';
import { doctorVerbs } from './doctor-verbs.ts';
import { dueVerbs } from './due-verbs.ts';
import { packVerbs } from './pack-verbs.ts';
import { placedVerbs } from './placed-verbs.ts';
import { savedVerbs } from './saved-verbs.ts';

const machine = lab;

/** Every verb that changes something, as it is tried on the machine of `stopped-lab.ts`. A new verb is a new line. */
export const verbs: Readonly<Record<string, VerbCall | PreparedVerb>> = {
  take: call('take', () => ({ machine, name: 'new' })),
  revert: call('revert', () => ({ machine })),
  'revert, discarding Now': call('revert', () => ({ machine, discardNow: true })),
  apply: call('apply', () => ({ machine, checkpoint: 'two' })),
  undo: call('undo', () => ({ machine })),
  'delete a leaf': call('delete', () => ({ machine, checkpoint: 'Before applying “one”' })),
  'delete one with a child': call('delete', () => ({ machine, checkpoint: 'two' })),
  'delete one with two children': call('delete', () => ({ machine, checkpoint: 'one' })),
  'delete the parent of Now': call('delete', () => ({ machine, checkpoint: 'three' })),
  'delete a subtree': call('delete', () => ({ machine, checkpoint: 'one', subtree: true })),
  'delete several': call('delete', () => ({ machine, checkpoint: 'three', also: ['one', 'two'] })),
  'delete for good, with a merge': call('delete', () => ({ machine, checkpoint: 'three', purge: true })),
  'delete a subtree for good': call('delete', () => ({ machine, checkpoint: 'one', subtree: true, purge: true })),
  annotate: call('annotate', () => ({ machine, checkpoint: 'two', notes: 'why', pinned: true, colour: 'red' })),
  'set-group': {
    prepare: ({ machineGroups }) => machineGroups.setGroup({ machine, group: 'archive' }),
    verb: ({ machineGroups }) => machineGroups.setGroup({ machine, group: 'servers' }),
    look: async ({ service }) => (await service.show({ machine })).machine.group ?? 'none',
  },
  rename: call('rename', () => ({ machine, checkpoint: 'two', name: 'renamed' })),
  'create-machine': call('createMachine', ({ image }) => ({ name: 'created', disk: image })),
  add: call('addMachine', ({ image }) => ({ name: 'added', disk: image })),
  clone: ({ copies }) => copies.clone({ machine, checkpoint: 'two', name: 'cloned' }, {}),
  'clone in full': ({ copies }) => copies.clone({ machine, checkpoint: 'two', name: 'cloned', full: true }, {}),
  'group take of one machine': ({ groups }) => groups.groupTake({ name: 'new', machines: [machine] }, {}),
  redo: { prepare: call('undo', () => ({ machine })), verb: call('redo', () => ({ machine })) },
  restore: {
    prepare: call('delete', () => ({ machine, checkpoint: 'one' })),
    verb: call('restore', () => ({ machine, checkpoint: 'one' })),
  },
  'guard begin': ({ guards }) => guards.guardBegin({ machine, command: ['make'] }, {}),
  // Of a guard that has more to do, each step is one of the verbs above; what is on record between them can be ended again.
  'guard end, Now elsewhere': {
    prepare: async ({ guards, service }) => {
      await guards.guardBegin({ machine, command: ['make'] }, {});
      await service.apply({ machine, checkpoint: 'one' }, {});
    },
    verb: ({ guards }) => guards.guardEnd({ machine, end: { exitCode: 0 }, outcome: 'keep' }, {}),
    look: async ({ service }) =>
      (await service.show({ machine })).machine.checkpoints.map(({ guard }) => guard?.end?.outcome ?? null),
  },
  'empty the trash': {
    prepare: call('delete', () => ({ machine, checkpoint: 'one', subtree: true })),
    verb: call('emptyTrash', () => ({ machine })),
  },
  'group delete of one machine': {
    prepare: ({ groups }) => groups.groupTake({ name: 'grouped', machines: [machine] }, {}),
    verb: ({ groups }) => groups.groupDelete({ group: 'grouped' }),
  },
  'free-space': ({ retention }) => retention.freeSpace({ machine }, {}),
  'merge-layers': {
    prepare: async (engine, place) => {
      await call('delete', () => ({ machine, checkpoint: 'three' }))(engine, place);
      await engine.retention.freeSpace({ machine }, {});
    },
    verb: ({ merges }) => merges.mergeLayers({ machine }, {}),
    look: async ({ service }) => (await service.show({ machine })).hiddenLayers?.length ?? 'unknown',
  },
  move: {
    prepare: (_engine, { home }) => mkdir(path.join(home, 'elsewhere')),
    verb: ({ copies }, { home }) => copies.move({ machine, folder: path.join(home, 'elsewhere') }, {}),
    look: async ({ service }, { home }) => {
      // Who died is this process, which lives: a lock that went along with its folder still names it.
      await truncate(path.join(home, 'elsewhere', machine, 'lock')).catch(() => undefined);
      await service.list();
      return {
        folder: path.relative(home, (await service.show({ machine })).machine.folder),
        elsewhere: await readdir(path.join(home, 'elsewhere')),
        faults: await faultsOfHome(home),
      };
    },
  },
  'forget-machine': {
    prepare: async ({ service, copies }, { home, image }) => {
      const disk = path.join(home, 'elsewhere');
      await mkdir(disk);
      await service.createMachine({ name: 'away', disk: image }, {});
      await copies.move({ machine: 'away', folder: disk }, {});
      await rm(disk, { recursive: true });
    },
    verb: ({ life }) => life.forgetMachine({ machine: 'away' }),
    look: async ({ service }) =>
      (await service.list()).hosts.flatMap(({ machines }) => machines.map(({ name, state }) => `${name} ${state}`)),
  },
  ...dueVerbs,
  ...doctorVerbs,
  ...placedVerbs,
  ...savedVerbs,
  ...packVerbs,
  'remove-machine': call('removeMachine', () => ({ machine })),
};
