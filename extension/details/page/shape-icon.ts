import type { PointShape } from '../page-model.ts';
import { element, type PageElement } from './element.ts';

/** The form of a point: it says the same as the icons of the tree. */
export function shapeIcon(shape: PointShape): PageElement {
  return element('svg', { class: 'shape', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, parts(shape));
}

function parts(shape: PointShape): PageElement[] {
  switch (shape) {
    case 'memory':
      return [element('circle', { cx: 8, cy: 8, r: 5.5, class: 'filled' })];
    case 'disks':
      return [element('circle', { cx: 8, cy: 8, r: 5, class: 'line' })];
    case 'pinned':
      return [
        element('path', { class: 'filled', d: 'M5 1.5h6v1.2l-1 .8v3.2l2 2v1.3H4V8.7l2-2V3.5l-1-.8z' }),
        element('path', { class: 'line', d: 'M8 10v4.8' }),
      ];
    case 'expiring':
      return [
        element('circle', { cx: 8, cy: 8, r: 5.7, class: 'line' }),
        element('path', { class: 'line', d: 'M8 4.7V8l2.3 1.7' }),
      ];
    case 'now':
      return [
        element('circle', { cx: 8, cy: 8, r: 6, class: 'line' }),
        element('circle', { cx: 8, cy: 8, r: 2.7, class: 'filled' }),
      ];
  }
}
