/** Disks, space and history of the machine, as tables. */
import type { DisksModel, HistoryEntry, LayerRow, PageTexts, SpaceModel } from '../page-model.ts';
import { nowId } from '../page-model.ts';
import { element, type PageElement } from './element.ts';

/** The chain of Now from the active layer down, then what only other points stand on. */
export function disksView({ disks, layers, tops }: DisksModel, texts: PageTexts): PageElement[] {
  const byFile = new Map(layers.map((layer) => [layer.file, layer]));
  const present = new Set((tops[nowId] ?? []).flatMap((file) => chainOf(file, byFile)));
  return disks.flatMap(({ id, title }) => [
    element('h2', {}, [title], { key: `title ${id}` }),
    layerTable(
      texts.chainOfNow,
      [...present].filter(({ disk }) => disk === id),
      texts,
    ),
    ...[layers.filter((layer) => layer.disk === id && !present.has(layer))]
      .filter((others) => others.length > 0)
      .map((others) => layerTable(texts.otherLayers, others, texts)),
  ]);
}

/** What the disks of one point consist of, as one line a layer. */
export function chainView({ layers, tops }: DisksModel, point: string, texts: PageTexts): PageElement | undefined {
  const byFile = new Map(layers.map((layer) => [layer.file, layer]));
  const files = tops[point];
  return files === undefined
    ? undefined
    : element(
        'details',
        { class: 'chain' },
        [
          element('summary', {}, [texts.chain]),
          ...files.map((file) =>
            element(
              'ol',
              {},
              chainOf(file, byFile).map(({ name, size, format, role }) =>
                element('li', {}, [
                  element('code', {}, [name]),
                  element('span', { class: 'line' }, [`${format} · ${size} · ${role}`]),
                ]),
              ),
            ),
          ),
        ],
        { key: 'chain' },
      );
}

export function spaceView({ summary, rows }: SpaceModel, texts: PageTexts): PageElement[] {
  return [
    element('p', {}, [summary]),
    table(
      texts.tabs.space,
      [texts.what, texts.frees, texts.shared],
      rows.map(({ name, frees, shared, share }) => [
        element('div', {}, [
          element('span', {}, [name]),
          element('div', { class: 'bar', 'aria-hidden': 'true' }, [
            element('div', {}, [], { style: { width: `${(share * 100).toFixed(1)}%` } }),
          ]),
        ]),
        frees,
        shared,
      ]),
    ),
  ];
}

export function historyView(entries: readonly HistoryEntry[], texts: PageTexts): PageElement[] {
  return [
    element('p', { class: 'line' }, [texts.historyIs]),
    table(
      texts.tabs.history,
      [texts.when, texts.what, texts.how],
      entries.map(({ when, time, what, more, isTrouble }) => [
        element('span', { title: time }, [when]),
        what,
        element('span', { class: isTrouble ? 'trouble' : undefined }, [more]),
      ]),
    ),
  ];
}

function layerTable(caption: string, layers: readonly LayerRow[], texts: PageTexts): PageElement {
  return table(
    caption,
    [texts.layer, texts.format, texts.takes, texts.role],
    layers.map(({ name, file, format, size, role, isHidden }) => [
      element('code', { title: file }, [name]),
      format,
      size,
      element('span', { class: isHidden ? 'hidden-layer' : undefined }, [role]),
    ]),
  );
}

function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (PageElement | string)[])[],
): PageElement {
  return element('table', {}, [
    element('caption', {}, [caption]),
    element('thead', {}, [
      element(
        'tr',
        {},
        heads.map((head) => element('th', { scope: 'col' }, [head])),
      ),
    ]),
    element(
      'tbody',
      {},
      rows.map((cells) =>
        element(
          'tr',
          {},
          cells.map((cell) => element('td', {}, [cell])),
        ),
      ),
    ),
  ]);
}

function chainOf(file: string, byFile: ReadonlyMap<string, LayerRow>): LayerRow[] {
  const chain = new Set<LayerRow>();
  for (let layer = byFile.get(file); layer !== undefined && !chain.has(layer); layer = byFile.get(layer.parent ?? '')) {
    chain.add(layer);
  }
  return [...chain];
}
