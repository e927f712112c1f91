/**
 * Where the points of a tree are drawn: a grid in which each stands below its parent. Its first child goes straight down in
 * the same column; the others begin columns of their own further right, as near as fits. A whole subtree lies to the
 * right of everything else in its rows, and deeper branches are placed first, so that a line from a parent to its child, straight
 * down or along the gap under the parent's row, never crosses a point or the line of another parent.
 */
export interface TreePoint {
  id: string;
  /** A point whose parent is not there is a root. */
  parent?: string;
  /** It is to stand under its parent straight away, as the second of a pair. */
  isSecond?: boolean;
}

export interface PlacedPoint {
  id: string;
  /** Absent for a root. */
  parent?: string;
  column: number;
  row: number;
}

export interface GraphLayout {
  /** In the order given. */
  points: readonly PlacedPoint[];
  columns: number;
  rows: number;
}

export function layoutGraph(points: readonly TreePoint[]): GraphLayout {
  const parents = parentsWithoutCircles(points);
  const children = new Map<string | undefined, TreePoint[]>();
  for (const point of points) {
    const parent = parents.get(point.id);
    children.set(parent, [...(children.get(parent) ?? []), point]);
  }
  for (const siblings of children.values()) {
    siblings.sort((a, b) => Number(b.isSecond ?? false) - Number(a.isSecond ?? false));
  }
  const rows = rowsOf(children);
  const lastRows = lastRowsOf(rows, parents);

  const columns = new Map<string, number>();
  /** Columns in use in each row. */
  const used: number[] = [];
  const roots = (children.get(undefined) ?? []).toReversed();
  for (let branch = roots.pop(), waiting = roots; branch !== undefined; branch = waiting.pop()) {
    const first = rows.get(branch.id) ?? 0;
    const column = Math.max(0, ...used.slice(first, (lastRows.get(branch.id) ?? first) + 1));
    for (let next: TreePoint | undefined = branch; next !== undefined;) {
      columns.set(next.id, column);
      used[rows.get(next.id) ?? 0] = column + 1;
      const [straight, ...others]: TreePoint[] = children.get(next.id) ?? [];
      waiting.push(...others.toReversed());
      next = straight;
    }
  }
  return {
    points: points.map(({ id }) => {
      const parent = parents.get(id);
      return {
        id,
        ...(parent === undefined ? {} : { parent }),
        column: columns.get(id) ?? 0,
        row: rows.get(id) ?? 0,
      };
    }),
    columns: Math.max(0, ...used),
    rows: used.length,
  };
}

export type Direction = 'up' | 'down' | 'left' | 'right' | 'first' | 'last';

/** The point that an arrow key leads to; undefined where there is none. Every point can be reached from every other. */
export function neighbour({ points }: GraphLayout, id: string, direction: Direction): string | undefined {
  const from = points.find((point) => point.id === id);
  if (from === undefined || direction === 'first') {
    return points.find(({ parent }) => parent === undefined)?.id;
  }
  const inRow = points.filter(({ row }) => row === from.row).sort((a, b) => a.column - b.column);
  switch (direction) {
    case 'up':
      return from.parent;
    case 'down':
      return points.filter(({ parent }) => parent === id).sort((a, b) => a.column - b.column)[0]?.id;
    case 'left':
      return inRow.findLast(({ column }) => column < from.column)?.id;
    case 'right':
      return inRow.find(({ column }) => column > from.column)?.id;
    case 'last':
      return points.at(-1)?.id;
  }
}

/** Records that somebody edited may name each other as parents: the first of such a circle counts as a root. */
function parentsWithoutCircles(points: readonly TreePoint[]): Map<string, string | undefined> {
  const parents = new Map<string, string | undefined>(points.map(({ id }) => [id, undefined]));
  const named = new Map(points.map(({ id, parent }) => [id, parent]));
  const known = new Set<string>();
  for (const { id } of points) {
    const way = new Set<string>();
    for (let at: string | undefined = id; at !== undefined && !known.has(at);) {
      way.add(at);
      const parent: string | undefined = named.get(at);
      const isFit = parent !== undefined && named.has(parent) && !way.has(parent);
      parents.set(at, isFit ? parent : undefined);
      at = isFit ? parent : undefined;
    }
    way.forEach((one) => known.add(one));
  }
  return parents;
}

/** Parents before their children. */
function rowsOf(children: ReadonlyMap<string | undefined, readonly TreePoint[]>): Map<string, number> {
  const rows = new Map<string, number>();
  let level = children.get(undefined) ?? [];
  for (let row = 0; level.length > 0; row++) {
    level.forEach(({ id }) => rows.set(id, row));
    level = level.flatMap(({ id }) => children.get(id) ?? []);
  }
  return rows;
}

/** The last row that a point or anything below it is in. */
function lastRowsOf(
  rows: ReadonlyMap<string, number>,
  parents: ReadonlyMap<string, string | undefined>,
): Map<string, number> {
  const last = new Map(rows);
  for (const id of [...rows.keys()].reverse()) {
    const parent = parents.get(id);
    if (parent !== undefined) {
      last.set(parent, Math.max(last.get(parent) ?? 0, last.get(id) ?? 0));
    }
  }
  return last;
}
