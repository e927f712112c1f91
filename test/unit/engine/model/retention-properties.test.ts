import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRetention, type RetainedCheckpoint, type RetentionState } from '../../../../engine/model/retention.ts';
import { costOfCheckpoints, type LayerHolder, type StoredLayer } from '../../../../engine/model/space.ts';
import { withParent } from '../../../../engine/model/tree.ts';
import type { CreatedBy } from '../../../../engine/protocol/machines.ts';
import type { RetentionPolicy } from '../../../../engine/protocol/retention.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const rounds = 3000;
const random = seededRandom();
const start = Date.parse('2026-10-01T00:00:00Z');
const hourMs = 3_600_000;

function below(limit: number): number {
  return Math.floor(random() * limit);
}

function chance(share: number): boolean {
  return random() < share;
}

function pickOne<T>(from: readonly [T, ...T[]]): T {
  return from[below(from.length)] ?? from[0];
}

/** A random machine: a tree with a layer for each checkpoint, and what its clock shows. */
function randomState(): { state: RetentionState; at: Date } {
  const checkpoints: RetainedCheckpoint[] = [];
  let created = start;
  let ran = 0;
  for (let count = below(14); count > 0; count -= 1) {
    created += pickOne([1, 60_000, hourMs / 3, hourMs, 20 * hourMs, 200 * hourMs]);
    ran += below(3) * 1800;
    const id = `c${String(checkpoints.length).padStart(2, '0')}`;
    const parent = chance(0.9) ? checkpoints[Math.max(0, checkpoints.length - 1 - below(3))]?.id : undefined;
    const createdBy = pickOne<CreatedBy>(['person', 'task', 'task', 'debug', 'agent', 'guard', 'apply', 'undo']);
    const expires = chance(0.8) && (createdBy === 'apply' || createdBy === 'undo');
    checkpoints.push({
      id,
      name: id,
      created: new Date(created).toISOString(),
      createdBy,
      ...(parent === undefined ? {} : { parent }),
      ...(expires ? { expires: new Date(created + 24 * hourMs).toISOString() } : {}),
      ...(chance(0.1) ? { isPinned: true } : {}),
      ...(chance(0.1) ? { isRenamed: true } : {}),
      ...(chance(0.05) ? { hasClones: true } : {}),
      ...(chance(0.8) ? { runningSeconds: ran } : {}),
    });
  }
  const any = (): string | undefined => checkpoints[below(checkpoints.length)]?.id;
  const [parent, undo] = [chance(0.8) ? any() : undefined, chance(0.4) ? any() : undefined];
  const at = new Date(created + pickOne([-100, -1, 0, 1, 30, 800, 100_000]) * hourMs);
  return {
    state: {
      checkpoints,
      now: { ...(parent === undefined ? {} : { parent }), ...(undo === undefined ? {} : { undo }) },
      runningSeconds: ran + below(100) * 3600,
      costOf: costsOf(checkpoints, parent),
    },
    at,
  };
}

function costsOf(checkpoints: readonly RetainedCheckpoint[], nowParent: string | undefined): RetentionState['costOf'] {
  const layers = [...checkpoints.map(({ id, parent }): StoredLayer => layer(id, parent)), layer('now', nowParent)];
  const holders = layers.map(({ file }): LayerHolder => ({
    kind: file === 'now' ? 'now' : 'checkpoint',
    id: file,
    name: file,
    layers: [file],
    ownFileBytes: below(3) * 50,
  }));
  return costOfCheckpoints({ layers, holders });
}

function layer(file: string, parent: string | undefined): StoredLayer {
  const hangsFrom = parent === undefined ? {} : { parent };
  return { file, ...hangsFrom, allocatedBytes: below(100), virtualSizeBytes: 300 };
}

function randomPolicy(): RetentionPolicy {
  const rule = <K extends keyof RetentionPolicy>(
    name: K,
    value: NonNullable<RetentionPolicy[K]>,
    share = 0.3,
  ): object => (chance(share) ? { [name]: value } : {});
  return {
    ...rule('keepLast', 1 + below(5)),
    ...rule('hourly', 1 + below(5)),
    ...rule('daily', 1 + below(5)),
    ...rule('weekly', 1 + below(3)),
    ...rule('monthly', 1 + below(3)),
    ...rule('maxBytes', 1 + below(600)),
    ...rule('minimum', 1 + below(8)),
    ...rule('includeNamed', true, 0.2),
    ...rule('ageBy', 'running', 0.3),
  };
}

function without(state: RetentionState, deleted: readonly { id: string }[]): RetentionState {
  let checkpoints = [...state.checkpoints];
  for (const { id } of deleted) {
    const parent = checkpoints.find((one) => one.id === id)?.parent;
    checkpoints = checkpoints
      .filter((one) => one.id !== id)
      .map((one) => (one.parent === id ? withParent(one, parent) : one));
  }
  return { ...state, checkpoints };
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one);
}

test(`rules of retention hold for ${rounds} random machines and policies`, () => {
  let deletions = 0;
  for (let round = 0; round < rounds; round += 1) {
    const { state, at } = randomState();
    const policy = randomPolicy();
    const plan = planRetention(state, policy, at);
    const shown = `${JSON.stringify({ ...state, policy, at }, null, 1)}\n${JSON.stringify(plan, null, 1)}`;
    const gone = new Set(plan.deleted.map(({ id }) => id));
    deletions += gone.size;

    assert.equal(gone.size + plan.kept.length, state.checkpoints.length, shown);
    assert.ok(gone.size === 0 || plan.kept.length >= (policy.minimum ?? 0), `below the minimum: ${shown}`);
    for (const one of state.checkpoints.filter(({ id }) => gone.has(id))) {
      assert.ok(one.isPinned !== true && one.hasClones !== true, `pinned or a clone's: ${shown}`);
      assert.ok(one.id !== state.now.parent, `in use: ${shown}`);
      const rule = plan.deleted.find(({ id }) => id === one.id)?.rule;
      assert.ok(one.id !== state.now.undo || rule === 'expired', `what undo goes to: ${shown}`);
      const isNamed = one.createdBy === 'person' || one.isRenamed === true;
      assert.ok(!isNamed || policy.includeNamed === true, `named: ${shown}`);
    }
    for (const { id, rule } of plan.deleted) {
      const expires = state.checkpoints.find((one) => one.id === id)?.expires;
      assert.ok(rule !== 'expired' || policy.ageBy === 'running' || Date.parse(expires ?? '') <= at.getTime(), shown);
    }

    const again = planRetention(without(state, plan.deleted), policy, at);
    assert.deepEqual(again.deleted, [], `not settled: ${shown}`);
    const turned = planRetention({ ...state, checkpoints: shuffled(state.checkpoints) }, policy, at);
    assert.deepEqual(turned, plan, `depends on the order: ${shown}`);
  }
  assert.ok(deletions > rounds / 2, `only ${deletions} deletions in ${rounds} rounds`);
});

test('whatever the clock shows, no count deletes what it keeps by the right one', () => {
  for (let round = 0; round < rounds / 10; round += 1) {
    const { state } = randomState();
    const checkpoints = state.checkpoints.map(({ expires: _, ...one }) => one);
    const policy: RetentionPolicy = { hourly: 3, daily: 2 };
    const newest = Math.max(start, ...checkpoints.map(({ created }) => Date.parse(created)));
    const right = planRetention({ ...state, checkpoints }, policy, new Date(newest + hourMs));
    const wrong = planRetention({ ...state, checkpoints }, policy, new Date(newest + (random() - 0.5) * 1e12));
    const kept = new Set(wrong.kept.map(({ id }) => id));
    assert.ok(right.kept.some(({ rule }) => rule === 'clock') || right.kept.every(({ id }) => kept.has(id)));
  }
});
