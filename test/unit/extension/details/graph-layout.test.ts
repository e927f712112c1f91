import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  layoutGraph,
  neighbour,
  type GraphLayout,
  type PlacedPoint,
  type TreePoint,
} from '../../../../extension/details/page/graph-layout.ts';
import { randomFrom } from '../../../support/seeded-random.ts';

const grid = (points: readonly TreePoint[]): string[] =>
  layoutGraph(points).points.map(({ id, column, row }) => `${id} ${column},${row}`);

/** Every point but the first hangs from an earlier one, or from none. */
function randomTree(seed: number, size: number): TreePoint[] {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  return Array.from({ length: size }, (_, index): TreePoint => {
    // Mostly from one of late, as people do.
    const back = below(3) === 0 ? below(index + 1) : Math.min(index, 1 + below(2));
    const parent = index - back;
    return {
      id: `p${index}`,
      ...(back === 0 || index === 0 || below(20) === 0 ? {} : { parent: `p${parent}` }),
      isSecond: below(4) === 0,
    };
  });
}

const trees = Array.from({ length: 150 }, (_, seed) => randomTree(seed + 1, 1 + seed));

function parentOf({ points }: GraphLayout, { parent }: PlacedPoint): PlacedPoint | undefined {
  return points.find(({ id }) => id === parent);
}

test('a line stays in one column', () => {
  const line = Array.from({ length: 200 }, (_, index) => ({
    id: `p${index}`,
    ...(index === 0 ? {} : { parent: `p${index - 1}` }),
  }));
  const { columns, rows } = layoutGraph(line);
  assert.deepEqual([columns, rows], [1, 200]);
});

test('the first child goes straight down, the others begin columns, as near as fits', () => {
  const points = [
    { id: 'root' },
    { id: 'a', parent: 'root' },
    { id: 'b', parent: 'root' },
    { id: 'a1', parent: 'a' },
    { id: 'a2', parent: 'a' },
    { id: 'a11', parent: 'a1' },
    { id: 'kept', parent: 'a11' },
    { id: 'now', parent: 'a11' },
  ];
  assert.deepEqual(grid(points), ['root 0,0', 'a 0,1', 'b 1,1', 'a1 0,2', 'a2 1,2', 'a11 0,3', 'kept 0,4', 'now 1,4']);
});

test('the second of a pair stands under the first, whatever else grew from it before', () => {
  const points = [
    { id: 'before' },
    { id: 'other', parent: 'before' },
    { id: 'after', parent: 'before', isSecond: true },
  ];
  assert.deepEqual(grid(points), ['before 0,0', 'other 1,1', 'after 0,1']);
});

test('a parent that is not there makes a root, and so does the first of a circle', () => {
  assert.deepEqual(grid([{ id: 'a', parent: 'gone' }, { id: 'b' }]), ['a 0,0', 'b 1,0']);
  const circle = layoutGraph([
    { id: 'a', parent: 'c' },
    { id: 'b', parent: 'a' },
    { id: 'c', parent: 'b' },
    { id: 'self', parent: 'self' },
  ]);
  assert.equal(new Set(circle.points.map(({ column, row }) => `${column},${row}`)).size, 4);
  assert.equal(neighbour(layoutGraph([]), 'a', 'down'), undefined);
});

test('no two points are in one place, and parents are above and never further right', () => {
  for (const tree of trees) {
    const layout = layoutGraph(tree);
    const places = new Set(layout.points.map(({ column, row }) => `${column},${row}`));
    assert.equal(places.size, tree.length);
    for (const point of layout.points) {
      const parent = parentOf(layout, point);
      assert.equal(point.row, parent === undefined ? 0 : parent.row + 1);
      assert.ok(parent === undefined || parent.column <= point.column);
      assert.ok(point.column < layout.columns && point.row < layout.rows);
    }
  }
});

test('no line to a point crosses the line to a child of another parent', () => {
  for (const tree of trees) {
    const { points } = layoutGraph(tree);
    for (const point of points) {
      const parent = points.find(({ id }) => id === point.parent);
      if (parent === undefined) {
        continue;
      }
      // Along the gap above its row, from the parent's column to its own.
      const between = points.filter(
        (other) => other.row === point.row && other.column > parent.column && other.column < point.column,
      );
      assert.deepEqual(
        between.filter((other) => other.parent !== point.parent),
        [],
      );
    }
  }
});

test('every point can be reached from every other by the arrow keys', () => {
  for (const tree of trees) {
    const layout = layoutGraph(tree);
    const reached = new Set<string>();
    const next = [tree.at(-1)?.id ?? ''];
    for (let id = next.pop(); id !== undefined; id = next.pop()) {
      if (!reached.has(id)) {
        reached.add(id);
        for (const direction of ['up', 'down', 'left', 'right'] as const) {
          next.push(neighbour(layout, id, direction) ?? id);
        }
      }
    }
    assert.equal(reached.size, tree.length);
  }
});

test('it is the same each time, and a new leaf at the end of a line moves nothing', () => {
  for (const tree of trees) {
    assert.deepEqual(layoutGraph(tree), layoutGraph(structuredClone(tree)));
  }
  const line = [{ id: 'a' }, { id: 'b', parent: 'a' }, { id: 'c', parent: 'a' }];
  assert.deepEqual(grid([...line, { id: 'd', parent: 'c' }]).slice(0, 3), grid(line));
});

test('ten thousand points, in a line and in a comb, take no time and no stack', () => {
  const size = 10_000;
  const line = Array.from({ length: size }, (_, index) => ({ id: `p${index}`, parent: `p${index - 1}` }));
  const comb = Array.from({ length: size }, (_, index) => ({
    id: `p${index}`,
    parent: `p${index % 2 === 1 ? index - 1 : index - 2}`,
  }));
  assert.equal(layoutGraph(line).rows, size);
  assert.equal(layoutGraph(comb).rows, size / 2 + 1);
});
