import type { Locator } from 'playwright-core';
import type { PageElement } from './page-element.ts';
import { type Text, wholeText } from './text-match.ts';

/** A row of a tree view as it is shown. */
export interface TreeRow {
  readonly label: string;
  readonly description: string;
  /** What a screen reader says; contains the state that icons show. */
  readonly ariaLabel: string;
  /** 1 for the rows at the top. */
  readonly level: number;
  /** `undefined` for a row without children. */
  readonly isExpanded: boolean | undefined;
  readonly isSelected: boolean;
  /** The title of the view that the row is in. */
  readonly view: string;
  /** The element that shows the row now; another one may after the tree has changed. */
  readonly elementId: string;
}

/** A row by its label, or by the labels on the way to it: `['ubuntu', 'before install']`. */
export type RowAddress = Text | readonly Text[];

/** Reads rows in the order in which they are shown. Those that are scrolled out of sight are not in the page. */
export async function readTreeRows(rows: Locator): Promise<TreeRow[]> {
  const read = await rows.evaluateAll((elements: PageElement[]) =>
    elements.map((element) => ({
      label: element.querySelector('.label-name')?.textContent ?? '',
      description: element.querySelector('.label-description')?.textContent ?? '',
      ariaLabel: element.getAttribute('aria-label') ?? '',
      level: Number(element.getAttribute('aria-level') ?? 1),
      expanded: element.getAttribute('aria-expanded'),
      selected: element.getAttribute('aria-selected'),
      view: element.closest('.pane')?.querySelector('.pane-header .title')?.textContent ?? '',
      elementId: element.getAttribute('id') ?? '',
      index: Number(element.getAttribute('data-index') ?? 0),
      list: element.closest('.monaco-list')?.className ?? '',
    })),
  );
  const lists = [...new Set(read.map((row) => row.list))]; // scrolling leaves the rows of a list in any order
  read.sort((a, b) => lists.indexOf(a.list) - lists.indexOf(b.list) || a.index - b.index);
  return read.map(({ label, description, ariaLabel, level, expanded, selected, view, elementId }) => ({
    label,
    description,
    ariaLabel,
    level,
    isExpanded: expanded === null ? undefined : expanded === 'true',
    isSelected: selected === 'true',
    view,
    elementId,
  }));
}

/** Finds the one row at an address. @returns its position in `rows`, or why there is not exactly one */
export function findRow(rows: readonly TreeRow[], address: RowAddress): number | string {
  const labels = typeof address === 'string' || address instanceof RegExp ? [address] : address;
  const found: number[] = [];
  rows.forEach((row, position) => {
    const path = [row, ...ancestors(rows, position)].slice(0, labels.length).reverse();
    if (path.length === labels.length && path.every((step, index) => matches(step, labels[index] ?? ''))) {
      found.push(position);
    }
  });
  const [only] = found;
  if (only === undefined) return `no row ${labels.join(' > ')} among: ${rows.map(({ label }) => label).join(', ')}`;
  return found.length === 1 ? only : `${found.length} rows ${labels.join(' > ')}: give the labels above it, too`;
}

function matches(row: TreeRow, label: Text): boolean {
  const expression = wholeText(label);
  return expression.test(row.label) || expression.test(row.ariaLabel);
}

/** The rows that a row hangs from, the nearest first. */
function ancestors(rows: readonly TreeRow[], position: number): TreeRow[] {
  const found: TreeRow[] = [];
  let below = rows[position];
  for (let index = position - 1; index >= 0 && below !== undefined; index--) {
    const row = rows[index];
    if (row === undefined || row.view !== below.view) break;
    if (row.level < below.level) {
      found.push(row);
      below = row;
    }
  }
  return found;
}
