/** The tree of checkpoints as a picture: points as cards on a grid, lines with what each point alone takes, and frames around guarded pairs. */
import { nowId, type GuardedPair, type MachineSummary, type PageTexts, type Point } from '../page-model.ts';
import { element, type PageElement } from './element.ts';
import { layoutGraph, neighbour, type Direction, type GraphLayout, type PlacedPoint } from './graph-layout.ts';
import { shapeIcon } from './shape-icon.ts';

const cardWidth = 188;
const cardHeight = 48;
const columnWidth = cardWidth + 32;
const rowHeight = cardHeight + 50;
const margin = 16;
/** Room above the first row, for the sizes of roots. */
const head = 44;
const frame = 7;

interface Spot {
  left: number;
  top: number;
  middle: number;
}

export interface GraphActions {
  select(id: string): void;
  /** Enter: on to what can be done with the point. */
  enter(): void;
}

/** Id of the element that shows a point. */
export function elementIdOf(point: string): string {
  return `point-${point}`;
}

export function layoutOf({ points, pairs }: MachineSummary): GraphLayout {
  const seconds = new Set(pairs.map(({ after }) => after));
  return layoutGraph(
    points.map(({ id, parent }) => ({
      id,
      ...(parent === undefined ? {} : { parent }),
      isSecond: seconds.has(id),
    })),
  );
}

export function graphView(
  machine: MachineSummary,
  layout: GraphLayout,
  selected: string,
  texts: PageTexts,
  actions: GraphActions,
): PageElement {
  const places = new Map(layout.points.map((place) => [place.id, place]));
  const width = layout.columns * columnWidth - (columnWidth - cardWidth) + 2 * margin;
  const height = layout.rows * rowHeight - (rowHeight - cardHeight) + head + 2 * margin;
  const present = wayTo(nowId, places);
  const { frames, texts: outcomes } = framesOf(machine.pairs, places);
  const children = Map.groupBy(layout.points, ({ parent }) => parent);
  const known = machine.points.flatMap((point) => {
    const place = places.get(point.id);
    return place === undefined ? [] : [{ point, place }];
  });
  return element(
    'div',
    { class: 'canvas' },
    [
      element('svg', { width, height, 'aria-hidden': 'true', class: 'lines' }, [
        ...frames,
        ...known.map(({ point, place }) => lineTo(point, place, places, present.has(point.id))),
        ...known.map(({ point, place }) => sizeOf(point, place)),
        ...outcomes,
      ]),
      element(
        'div',
        { role: 'tree', 'aria-label': texts.graph, class: 'points' },
        known.map(({ point, place }) => card(point, place, children.get(place.parent) ?? [], selected, actions)),
        { on: { keydown: (event) => go(event, layout, selected, actions) } },
      ),
    ],
    { style: { width: `${width}px`, height: `${height}px` } },
  );
}

function card(
  point: Point,
  place: PlacedPoint,
  siblings: readonly PlacedPoint[],
  selected: string,
  actions: GraphActions,
): PageElement {
  const { left, top } = spotOf(place);
  const isSelected = point.id === selected;
  return element(
    'div',
    {
      id: elementIdOf(point.id),
      role: 'treeitem',
      class: `point ${point.shape}${point.colour === undefined ? '' : ` tagged ${point.colour}`}`,
      'aria-level': place.row + 1,
      'aria-posinset': siblings.indexOf(place) + 1,
      'aria-setsize': siblings.length,
      'aria-selected': String(isSelected),
      tabindex: isSelected ? 0 : -1,
      title: `${point.name}\n${point.line}`,
    },
    [
      shapeIcon(point.shape),
      element('span', { class: 'name' }, [point.name]),
      ' ',
      element('span', { class: 'line' }, [point.line]),
      ' ',
      element('span', { class: 'unseen' }, [point.more]),
    ],
    {
      key: point.id,
      style: { left: `${left}px`, top: `${top}px` },
      on: { click: () => actions.select(point.id), dblclick: () => actions.enter() },
    },
  );
}

const keys: Readonly<Partial<Record<string, Direction>>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right',
  Home: 'first',
  End: 'last',
};

function go(event: Event, layout: GraphLayout, selected: string, actions: GraphActions): void {
  if (!(event instanceof KeyboardEvent) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  const direction = keys[event.key];
  if (event.key === 'Enter') {
    event.preventDefault();
    actions.enter();
  } else if (direction !== undefined) {
    event.preventDefault();
    const next = neighbour(layout, selected, direction);
    if (next !== undefined) {
      actions.select(next);
    }
  }
}

/** A point and all that it stands on. */
function wayTo(id: string, places: ReadonlyMap<string, PlacedPoint>): Set<string> {
  const way = new Set<string>();
  for (let at = places.get(id); at !== undefined; at = at.parent === undefined ? undefined : places.get(at.parent)) {
    way.add(at.id);
  }
  return way;
}

function spotOf({ column, row }: PlacedPoint): Spot {
  const left = margin + column * columnWidth;
  return { left, top: margin + head + row * rowHeight, middle: left + cardWidth / 2 };
}

/** From under the parent along the gap, and down to the point; for a root, from above. */
function lineTo(
  { id, size }: Point,
  place: PlacedPoint,
  places: ReadonlyMap<string, PlacedPoint>,
  isPresent: boolean,
): PageElement {
  const to = spotOf(place);
  const parent = place.parent === undefined ? undefined : places.get(place.parent);
  const from = parent === undefined ? { ...to, top: to.top - cardHeight - head + 8 } : spotOf(parent);
  const start = from.top + cardHeight;
  const bend = 9;
  const gap = start + bend;
  const way =
    from.middle === to.middle
      ? `M${to.middle} ${start}V${to.top}`
      : `M${from.middle} ${start}V${gap - 1}q0 ${bend} ${bend} ${bend}H${to.middle - bend}q${bend} 0 ${bend} ${bend}V${to.top}`;
  return element('path', { class: `edge weight${size?.weight ?? 0}${isPresent ? ' present' : ''}`, d: way }, [], {
    key: id,
  });
}

function sizeOf({ id, size }: Point, place: PlacedPoint): PageElement {
  const { middle, top } = spotOf(place);
  return element('text', { class: 'size', x: middle, y: top - 11, 'text-anchor': 'middle' }, [size?.text ?? ''], {
    key: id,
  });
}

/** Around both checkpoints; how the command ended stands under them. */
function framesOf(
  pairs: readonly GuardedPair[],
  places: ReadonlyMap<string, PlacedPoint>,
): { frames: PageElement[]; texts: PageElement[] } {
  const drawn = pairs.flatMap((pair) => {
    const [before, after] = [places.get(pair.before), places.get(pair.after)];
    return before !== undefined && before.column === after?.column && before.row + 1 === after.row
      ? [{ key: pair.before, text: pair.text, ...spotOf(before) }]
      : [];
  });
  const height = rowHeight + cardHeight;
  return {
    frames: drawn.map(({ key, left, top }) =>
      element(
        'rect',
        {
          class: 'guard',
          x: left - frame,
          y: top - frame,
          width: cardWidth + 2 * frame,
          height: height + 2 * frame + 14,
          rx: 10,
        },
        [],
        { key },
      ),
    ),
    texts: drawn.map(({ key, text, left, top }) =>
      element('text', { class: 'outcome', x: left + 4, y: top + height + frame + 8 }, [text], {
        key: `outcome ${key}`,
      }),
    ),
  };
}
