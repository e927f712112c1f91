/** The selected checkpoint, or Now: what is known of it, its notes, and what can be done. */
import type { Action, PageTexts, Point } from '../page-model.ts';
import { element, type PageElement } from './element.ts';
import { shapeIcon } from './shape-icon.ts';

export interface PointActions {
  run(action: Action): void;
}

export function pointView(
  point: Point,
  texts: PageTexts,
  actions: PointActions,
  { notes, chain }: { notes: PageElement | undefined; chain: PageElement | undefined },
): PageElement {
  return element(
    'section',
    { class: 'selected', 'aria-label': texts.selected },
    [
      element('h2', { class: point.colour === undefined ? '' : `tagged ${point.colour}` }, [
        shapeIcon(point.shape),
        element('span', {}, [point.name]),
      ]),
      element('p', { class: 'line' }, [point.line]),
      buttons(point.actions, texts, actions),
      notes,
      element(
        'dl',
        {},
        point.facts.flatMap(({ label, value }) => [element('dt', {}, [label]), element('dd', {}, [value])]),
      ),
      point.console === undefined || point.console === ''
        ? undefined
        : element('div', { class: 'console' }, [
            element('h3', { id: 'console' }, [texts.console]),
            // It scrolls sideways, also by the keyboard.
            element('pre', { tabindex: '0', role: 'region', 'aria-labelledby': 'console' }, [point.console]),
          ]),
      chain,
    ],
    { key: point.id },
  );
}

export function buttons(all: readonly Action[], texts: PageTexts, actions: PointActions): PageElement {
  return element(
    'div',
    { class: 'actions', role: 'group', 'aria-label': texts.actions },
    all.map((action) =>
      element(
        'button',
        { type: 'button', class: action.isPrimary === true ? 'primary' : 'secondary' },
        [action.title],
        { key: action.command, on: { click: () => actions.run(action) } },
      ),
    ),
  );
}
