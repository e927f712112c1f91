import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';
import { lab as machine, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { requireContent } from './same-as-model.ts';
import type { TreeModel } from './tree-model.ts';
import type { VerbEngine } from './verb-engine.ts';

/** What a random step is chosen by. */
export interface Bench {
  model: TreeModel;
  random: () => number;
  /** Number of the step. */
  step: number;
  host: HostId;
  /** Folder that chains may lead to, and that exports are made in. */
  folder: string;
}

/** One verb with what it is given. */
export interface Deed {
  told: string;
  /** The code that the engine refuses with when the machine is as the model is. */
  refusal(model: TreeModel): string | undefined;
  /** Carries it out. @returns what it does to the model */
  run(engine: VerbEngine): Promise<(model: TreeModel) => void>;
}

type Chooser = (bench: Bench) => Deed | undefined;

/** The verbs, each with how often it comes. A new verb is a new line. */
const alone: readonly (readonly [weight: number, choose: Chooser])[] = [
  [4, write],
  [1, clone],
  [1, flattenClone],
  [1, removeClone],
  [1, exportAndImport],
  [1, exportCheckpoint],
  [1, prune],
  [1, applyGroup],
  [1, doctor],
];

/** Those that several engines may carry out at once on one machine. */
const together: readonly (readonly [weight: number, choose: Chooser])[] = [
  [4, take],
  [2, apply],
  [2, revert],
  [4, undo],
  [3, redo],
  [2, deleteOne],
  [2, deleteForGood],
  [1, deleteSubtree],
  [3, restore],
  [1, discardOne],
  [1, emptyTrash],
  [1, rename],
  [1, pin],
  [1, takeGroup],
  [1, deleteGroup],
];

/** @param atOnce only what another engine may do at the same time */
export function chooseDeed(bench: Bench, atOnce: boolean): Deed {
  const verbs = atOnce ? together : [...alone, ...together];
  for (;;) {
    let left = bench.random() * verbs.reduce((sum, [weight]) => sum + weight, 0);
    const deed = verbs.find(([weight]) => (left -= weight) < 0)?.[1](bench);
    if (deed !== undefined) {
      return deed;
    }
  }
}

export function pick<T>(values: readonly T[], random: () => number): T | undefined {
  return values[Math.floor(random() * values.length)];
}

const never = (): undefined => undefined;
const unlessThere =
  (id: string) =>
  (model: TreeModel): string | undefined =>
    model.points.has(id) ? undefined : 'CheckpointNotFound';

function onPoint({ model, random }: Bench, use: (id: string) => Deed): Deed | undefined {
  const id = pick([...model.points.keys()], random);
  return id === undefined ? undefined : use(id);
}

function onTrash({ model, random }: Bench, use: (id: string, refusal: Deed['refusal']) => Deed): Deed | undefined {
  const id = pick([...model.trash.keys()], random);
  return id === undefined ? undefined : use(id, (now) => (now.trash.has(id) ? undefined : 'NotInTrash'));
}

function write({ model, random, step, folder }: Bench): Deed {
  const length = 1 + Math.floor(random() * 20_000);
  const offset = Math.floor(random() * (model.content.length - length));
  return {
    told: `write ${length} bytes at ${offset}`,
    refusal: never,
    run: async ({ service }) => {
      await writeToNow((await service.show({ machine })).machine, step, offset, length, [folder]);
      return (now) => now.write(taggedContent(offset, length, step), offset);
    },
  };
}

function take({ step, random }: Bench): Deed {
  const name = `point ${step}-${Math.floor(random() * 1e6)}`;
  return {
    told: `take ${name}`,
    refusal: never,
    run: async ({ service }) => {
      const { checkpoint } = await service.take({ machine, name }, {});
      return (now) => now.take(checkpoint.id, name);
    },
  };
}

function apply(bench: Bench): Deed | undefined {
  const discardNow = bench.random() < 0.3;
  return onPoint(bench, (checkpoint) => ({
    told: `apply ${checkpoint}${discardNow ? ', discarding Now' : ''}`,
    refusal: unlessThere(checkpoint),
    run: async ({ service }) => {
      const { kept } = await service.apply({ machine, checkpoint, discardNow }, {});
      return (now) => now.apply(checkpoint, kept?.id);
    },
  }));
}

function revert({ random }: Bench): Deed {
  const discardNow = random() < 0.5;
  return {
    told: `revert${discardNow ? ', discarding Now' : ''}`,
    refusal: ({ parent }) => (parent === undefined ? 'NothingToRevert' : undefined),
    run: async ({ service }) => {
      const { applied, kept } = await service.revert({ machine, discardNow }, {});
      return (now) => {
        assert.equal(applied.id, now.parent);
        now.apply(applied.id, kept?.id);
      };
    },
  };
}

function undo(): Deed {
  return {
    told: 'undo',
    refusal: (now) => (now.undo === undefined ? 'NothingToUndo' : undefined),
    run: async ({ service }) => {
      const { kept } = await service.undo({ machine }, {});
      return (now) => now.step('undo', kept?.id ?? '');
    },
  };
}

function redo(): Deed {
  return {
    told: 'redo',
    refusal: (now) => (now.redo === undefined ? 'NothingToRedo' : undefined),
    run: async ({ service }) => {
      const { kept } = await service.redo({ machine }, {});
      return (now) => now.step('redo', kept?.id ?? '');
    },
  };
}

function deleting(checkpoint: string, subtree: boolean, purge: boolean): Deed {
  return {
    told: `delete ${subtree ? 'the subtree of ' : ''}${checkpoint}${purge ? ' for good' : ''}`,
    refusal: unlessThere(checkpoint),
    run: async ({ service }) => {
      const { all } = await service.delete({ machine, checkpoint, subtree, purge });
      return (now) => {
        const ids = subtree ? now.subtree(checkpoint) : [checkpoint];
        assert.deepEqual(all.map(({ id }) => id).sort(), [...ids].sort());
        if (purge) {
          now.purge(ids);
        } else {
          now.delete(ids);
        }
      };
    },
  };
}

function deleteOne(bench: Bench): Deed | undefined {
  return onPoint(bench, (id) => deleting(id, false, false));
}
function deleteForGood(bench: Bench): Deed | undefined {
  return onPoint(bench, (id) => deleting(id, bench.random() < 0.3, true));
}
function deleteSubtree(bench: Bench): Deed | undefined {
  return onPoint(bench, (id) => deleting(id, true, false));
}

function restore(bench: Bench): Deed | undefined {
  return onTrash(bench, (checkpoint, refusal) => ({
    told: `restore ${checkpoint}`,
    refusal,
    run: async ({ service }) => {
      await service.restore({ machine, checkpoint });
      return (now) => now.restore(checkpoint);
    },
  }));
}

function discardOne(bench: Bench): Deed | undefined {
  return onTrash(bench, (checkpoint, refusal) => ({
    told: `discard ${checkpoint}`,
    refusal,
    run: async ({ service }) => {
      await service.emptyTrash({ machine, checkpoint }, {});
      return (now) => void now.trash.delete(checkpoint);
    },
  }));
}

function emptyTrash(): Deed {
  return {
    told: 'empty the trash',
    refusal: never,
    run: async ({ service }) => {
      const { discarded } = await service.emptyTrash({ machine }, {});
      return (now) => {
        assert.deepEqual(discarded.map(({ id }) => id).sort(), [...now.trash.keys()].sort());
        now.trash.clear();
      };
    },
  };
}

function rename(bench: Bench): Deed | undefined {
  const name = `renamed ${bench.step}-${Math.floor(bench.random() * 1e6)}`;
  return onPoint(bench, (checkpoint) => ({
    told: `rename ${checkpoint}`,
    refusal: unlessThere(checkpoint),
    run: async ({ service }) => {
      await service.rename({ machine, checkpoint, name });
      return (now) => now.rename(checkpoint, name);
    },
  }));
}

function pin(bench: Bench): Deed | undefined {
  const pinned = bench.random() < 0.5;
  return onPoint(bench, (checkpoint) => ({
    told: `${pinned ? 'pin' : 'unpin'} ${checkpoint}`,
    refusal: unlessThere(checkpoint),
    run: async ({ service }) => {
      await service.annotate({ machine, checkpoint, pinned });
      return (now) => now.pin(checkpoint, pinned);
    },
  }));
}

function takeGroup({ step, random }: Bench): Deed {
  const name = `group ${step}-${Math.floor(random() * 1e6)}`;
  return {
    told: `take ${name}`,
    refusal: never,
    run: async ({ groups }) => {
      const { group } = await groups.groupTake({ name, machines: [machine] }, {});
      const [member] = group.members;
      return (now) => now.take(member?.checkpoint.id ?? '', name, group.id);
    },
  };
}

/** A group is there as long as its checkpoint is. */
function onGroup({ model, random }: Bench, use: (group: string, id: string) => Deed): Deed | undefined {
  const groups = [...model.points].flatMap(([id, { group }]) => (group === undefined ? [] : [{ id, group }]));
  const found = pick(groups, random);
  return found && use(found.group, found.id);
}

function applyGroup(bench: Bench): Deed | undefined {
  return onGroup(bench, (group, id) => ({
    told: `apply group ${group}`,
    refusal: unlessThere(id),
    run: async ({ groups }) => {
      const { machines } = await groups.groupApply({ group }, {});
      const kept = machines[0]?.now.undo;
      return (now) => now.apply(id, kept);
    },
  }));
}

function deleteGroup(bench: Bench): Deed | undefined {
  return onGroup(bench, (group, id) => ({
    told: `delete group ${group}`,
    refusal: unlessThere(id),
    run: async ({ groups }) => {
      await groups.groupDelete({ group });
      return (now) => now.delete([id]);
    },
  }));
}

function clone(bench: Bench): Deed | undefined {
  if (bench.host !== 'qemu' || bench.model.clones.size >= 2) {
    return undefined;
  }
  const name = `clone ${bench.step}`;
  const full = bench.random() < 0.3;
  const checkpoint = bench.random() < 0.3 ? undefined : pick([...bench.model.points.keys()], bench.random);
  return {
    told: `clone ${checkpoint ?? 'Now'}${full ? ' in full' : ''}`,
    refusal: never,
    run: async ({ copies, service }) => {
      await copies.clone({ machine, name, full, ...(checkpoint === undefined ? {} : { checkpoint }) }, {});
      const taken = (await service.show({ machine })).machine.now.parent ?? '';
      return (now) => {
        if (checkpoint === undefined) {
          now.take(taken, `Cloned to ${name}`);
        }
        const source = checkpoint ?? taken;
        const content = Buffer.from(now.point(source).content);
        now.clones.set(name, { content, standsOn: full ? undefined : source });
      };
    },
  };
}

function onClone({ model, random }: Bench, use: (name: string) => Deed): Deed | undefined {
  const name = pick([...model.clones.keys()], random);
  return name === undefined ? undefined : use(name);
}

function flattenClone(bench: Bench): Deed | undefined {
  return onClone(bench, (name) => ({
    told: `flatten ${name}`,
    refusal: never,
    run: async ({ copies }) => {
      await copies.flatten({ machine: name }, {});
      return (now) => {
        const content = now.clones.get(name)?.content ?? Buffer.alloc(0);
        now.clones.set(name, { content, standsOn: undefined });
      };
    },
  }));
}

function removeClone(bench: Bench): Deed | undefined {
  return onClone(bench, (name) => ({
    told: `remove ${name}`,
    refusal: never,
    run: async ({ service }) => {
      await service.removeMachine({ machine: name });
      return (now) => void now.clones.delete(name);
    },
  }));
}

function exportAndImport({ host, step, folder, model }: Bench): Deed | undefined {
  if (host !== 'qemu' || model.clones.size >= 2) {
    return undefined;
  }
  const [target, name] = [path.join(folder, `export ${step}`), `import ${step}`];
  return {
    told: `export, and import as ${name}`,
    refusal: never,
    run: async ({ copies }) => {
      await copies.export({ machine, target }, {});
      const { machine: made } = await copies.import({ folder: target, name }, {});
      await rm(target, { recursive: true });
      return (now) => {
        assert.deepEqual(made.checkpoints.map(({ id }) => id).sort(), [...now.points.keys()].sort());
        now.clones.set(name, { content: Buffer.from(now.content), standsOn: undefined });
      };
    },
  };
}

function exportCheckpoint(bench: Bench): Deed | undefined {
  const target = path.join(bench.folder, `disks ${bench.step}`);
  const to = pick(['qcow2', 'vhdx', 'vhd', 'raw'] as const, bench.random) ?? 'qcow2';
  return onPoint(bench, (checkpoint) => ({
    told: `export ${checkpoint} as ${to}`,
    refusal: never,
    run: async ({ copies }) => {
      const { files } = await copies.export({ machine, target, checkpoint, to }, {});
      const { content } = bench.model.point(checkpoint);
      await requireContent(path.join(target, files[0] ?? ''), content, [], to);
      await rm(target, { recursive: true });
      return () => undefined;
    },
  }));
}

/** By the rule that only the newest few stay, whoever made them. Which those are is proven elsewhere. */
function prune(): Deed {
  return {
    told: 'prune',
    refusal: never,
    run: async ({ retention }) => {
      await retention.policy({ machine, policy: { keepLast: 6, includeNamed: true } });
      const { machines } = await retention.prune({ machine }, {});
      const ids = machines.flatMap(({ deleted }) => deleted.map(({ id }) => id));
      return (now) => {
        assert.ok(!ids.some((id) => now.point(id).pinned), 'what is pinned stays');
        now.purge(ids);
      };
    },
  };
}

function doctor(): Deed {
  return {
    told: 'doctor --repair',
    refusal: never,
    run: async (engine) => {
      const { isSound, machines } = await engine.doctor.doctor({ deep: true, repair: true }, {});
      assert.ok(isSound, JSON.stringify(machines));
      return () => undefined;
    },
  };
}

export function codeOf(error: unknown): string {
  return error instanceof CheckpointError ? error.code : String(error);
}
