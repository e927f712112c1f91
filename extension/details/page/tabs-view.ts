/** The page's parts, one at a time. All are there, so that what is hidden keeps its place. */
import { pageTabs, type PageTab, type PageTexts } from '../page-model.ts';
import { element, type PageElement } from './element.ts';

export function tabList(chosen: PageTab, texts: PageTexts, choose: (tab: PageTab) => void): PageElement {
  return element(
    'div',
    { class: 'tabs', role: 'tablist', 'aria-label': texts.parts },
    pageTabs.map((tab) =>
      element(
        'button',
        {
          type: 'button',
          role: 'tab',
          id: `tab-${tab}`,
          'aria-controls': `part-${tab}`,
          'aria-selected': String(tab === chosen),
          tabindex: tab === chosen ? 0 : -1,
        },
        [texts.tabs[tab]],
        { on: { click: () => choose(tab), keydown: (event) => go(event, tab, choose) } },
      ),
    ),
  );
}

export function tabPanel(tab: PageTab, chosen: PageTab, children: readonly (PageElement | undefined)[]): PageElement {
  return element(
    'div',
    {
      id: `part-${tab}`,
      class: `part ${tab}-part`,
      role: 'tabpanel',
      'aria-labelledby': `tab-${tab}`,
      hidden: tab !== chosen,
      // What has nothing in it to go to is gone to itself, and scrolled by keys.
      tabindex: tab === 'checkpoints' ? undefined : 0,
    },
    children,
    { key: tab },
  );
}

function go(event: Event, from: PageTab, choose: (tab: PageTab) => void): void {
  const step = event instanceof KeyboardEvent ? { ArrowRight: 1, ArrowLeft: -1 }[event.key] : undefined;
  const next = step === undefined ? undefined : pageTabs.at((pageTabs.indexOf(from) + step) % pageTabs.length);
  if (next !== undefined) {
    event.preventDefault();
    choose(next);
    document.getElementById(`tab-${next}`)?.focus();
  }
}
