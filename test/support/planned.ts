import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Engine } from '../../engine/engine.ts';
import { toWireError } from '../../engine/model/checkpoint-error.ts';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { OperationPlan, PlannedOperation, PlannedPoint } from '../../engine/protocol/plans.ts';
import { folderHash } from './folder-hash.ts';

/** Where an operation is tried: everything that it could change lies in the folder. */
export interface Tried {
  engine: Engine;
  folder: string;
}

/** Plans an operation and carries it out: the plan changes nothing, and says what then happens. */
export async function carriedOutAsPlanned<T>(
  { engine, folder }: Tried,
  operation: PlannedOperation,
  params: object,
  act: () => Promise<T>,
): Promise<{ plan: OperationPlan; result: T }> {
  const before = await stateOf(engine, folder);
  const hash = await folderHash(folder);
  const planned = await settled(engine.plans.plan({ operation, params: { ...params } }));
  assert.equal(await folderHash(folder), hash, `the plan of ${operation} changed something`);
  const done = await settled(act());
  if ('error' in planned || 'error' in done) {
    const refused = 'error' in done ? toWireError(done.error) : undefined;
    assert.deepEqual('error' in planned ? toWireError(planned.error) : undefined, refused, operation);
    throw 'error' in done ? done.error : new Error('unreachable');
  }
  const plan = planned.value;
  const after = await stateOf(engine, folder);
  compareFiles(plan, before.files, after.files);
  compareTrees(plan, before.machines, after.machines);
  return { plan, result: done.value };
}

type Settled<T> = { value: T } | { error: unknown };

async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

interface State {
  files: Set<string>;
  machines: Map<string, MachineInfo>;
}

async function stateOf({ service }: Engine, folder: string): Promise<State> {
  // Not by a list, which remembers what it has read.
  const all = [...(await service.states()).keys()];
  const machines = await Promise.all(all.map(async (machine) => (await service.show({ machine })).machine));
  const names = await readdir(folder, { recursive: true });
  return {
    files: new Set(names.filter(isDiskOrMemory).map((name) => path.join(folder, name))),
    machines: new Map(machines.map((machine) => [machine.name, machine])),
  };
}

/** Records are told of as checkpoints and machines. */
function isDiskOrMemory(file: string): boolean {
  return /\.(?:qcow2|vhdx?|vmdk|raw|state)$/.test(file);
}

function compareFiles(
  { operation, steps }: OperationPlan,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): void {
  const predicted = new Set(before);
  let unnamed = 0;
  for (const step of steps) {
    if (step.kind === 'rename') {
      assert.ok(predicted.delete(step.from), `${operation} renames ${step.from}, which is not there`);
      predicted.add(step.to);
    } else if (step.kind === 'remove' && step.what === 'machine') {
      [...predicted]
        .filter((file) => file.startsWith(`${step.path}${path.sep}`))
        .forEach((file) => predicted.delete(file));
    } else if (step.kind === 'remove' && step.what !== 'checkpoint') {
      assert.ok(predicted.delete(step.path), `${operation} removes ${step.path}, which is not there`);
    } else if (step.kind === 'copy') {
      if (isDiskOrMemory(step.to)) {
        predicted.add(step.to);
      }
    } else if (
      step.kind === 'create' &&
      step.what !== 'checkpoint' &&
      step.what !== 'machine' &&
      step.what !== 'folder'
    ) {
      if (step.path === undefined) {
        unnamed += 1;
      } else {
        predicted.add(step.path);
      }
    }
  }
  assert.deepEqual(
    [...predicted].filter((file) => !after.has(file)),
    [],
    `${operation}: not there afterwards`,
  );
  const unforeseen = [...after].filter((file) => !predicted.has(file));
  assert.equal(unforeseen.length, unnamed, `${operation}: files that were not foreseen: ${unforeseen.join(', ')}`);
}

interface Tree {
  /** Parent by checkpoint; both by id, or by name when they are new. */
  points: Map<string, string | undefined>;
  names: Map<string, string>;
  trash: Set<string>;
  now: string | undefined;
}

function treeOf(machine: MachineInfo | undefined, known: ReadonlySet<string>): Tree {
  const nameOf = (id: string | undefined): string | undefined => {
    const found = machine?.checkpoints.find((one) => one.id === id);
    return found === undefined || known.has(found.id) ? id : found.name;
  };
  return {
    points: new Map(machine?.checkpoints.map(({ id, parent }) => [nameOf(id) ?? '', nameOf(parent)])),
    names: new Map(machine?.checkpoints.map(({ id, name }) => [nameOf(id) ?? '', name])),
    trash: new Set(machine?.trash.map(({ checkpoint }) => checkpoint.id)),
    now: nameOf(machine?.now.parent),
  };
}

function compareTrees(
  { operation, machines, steps }: OperationPlan,
  before: ReadonlyMap<string, MachineInfo>,
  after: ReadonlyMap<string, MachineInfo>,
): void {
  const made = steps.flatMap((step) => (step.kind === 'create' && step.what === 'machine' ? [step.point.name] : []));
  const gone = steps.some((step) => step.kind === 'remove' && step.what === 'machine') ? machines : [];
  assert.deepEqual(
    [...after.keys()].sort(),
    [...new Set([...before.keys(), ...made])].filter((name) => !gone.includes(name)).sort(),
    operation,
  );
  for (const name of machines.filter((one) => before.has(one) && !gone.includes(one))) {
    const known = knownIds(before.get(name));
    const tree = treeOf(before.get(name), known);
    for (const step of steps.filter(({ machine }) => machine === undefined || machine === name)) {
      switch (step.kind) {
        case 'create':
          if (step.what === 'checkpoint') {
            put(tree, step.point, step.parent);
          }
          break;
        case 'restore':
          tree.trash.delete(step.point.id ?? '');
          put(tree, step.point, step.parent);
          break;
        case 'trash':
          tree.trash.add(key(step.point));
          tree.points.delete(key(step.point));
          tree.names.delete(key(step.point));
          break;
        case 'attach':
          if (step.point === 'now') {
            tree.now = step.parent === undefined ? undefined : key(step.parent);
          } else {
            tree.points.set(key(step.point), step.parent === undefined ? undefined : key(step.parent));
          }
          break;
        case 'change':
          if (step.field === 'name') {
            tree.names.set(key(step.point), step.to);
          }
          break;
        case 'remove':
          if (step.what === 'checkpoint') {
            tree.trash.delete(key(step.point));
            tree.points.delete(key(step.point));
            tree.names.delete(key(step.point));
          }
          break;
        default:
      }
    }
    assert.deepEqual(sorted(tree), sorted(treeOf(after.get(name), known)), `${operation}: the tree of ${name}`);
  }
}

function knownIds(machine: MachineInfo | undefined): Set<string> {
  return new Set([
    ...(machine?.checkpoints ?? []).map(({ id }) => id),
    ...(machine?.trash ?? []).map(({ checkpoint }) => checkpoint.id),
  ]);
}

function put(tree: Tree, point: PlannedPoint, parent: PlannedPoint | undefined): void {
  tree.points.set(key(point), parent === undefined ? undefined : key(parent));
  tree.names.set(key(point), point.name);
}

function key({ id, name }: PlannedPoint): string {
  return id ?? name;
}

function sorted({ points, names, trash, now }: Tree): object {
  return { points: [...points].sort(), names: [...names].sort(), trash: [...trash].sort(), now };
}
