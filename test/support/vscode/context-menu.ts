import type { Page } from 'playwright-core';
import { choose } from './choice.ts';
import type { Text } from './text-match.ts';
import { until } from './until.ts';

const timeoutMilliseconds = 40_000;

/** A menu without the item by then is another row's: the tree has moved under the click that opened it. */
const otherMenuMilliseconds = 10_000;

/** How long a menu ignores clicks after it opened, and more. */
const deafMilliseconds = 300;

/**
 * Chooses from the context menu that is open; more than one item leads through submenus.
 * @returns false when the menu went away before an item was chosen, as it does when the tree below it changes
 * @throws when it does not have the item
 */
export async function chooseFromMenu(page: Page, items: readonly Text[]): Promise<boolean> {
  const menu = page.locator('.monaco-menu').first();
  const opened = performance.now();
  let isChosen = false;
  for (const [index, item] of items.entries()) {
    const entries = page.locator('.monaco-menu .action-menu-item .action-label');
    const entry = await choose('menu item', entries, item, otherMenuMilliseconds);
    if (index < items.length - 1) {
      await entry.hover();
      continue;
    }
    await until(
      `the context menu to close after a click on ${String(item)}`,
      async () => {
        if (!(await menu.isVisible())) return true;
        if (performance.now() - opened < deafMilliseconds) return false;
        isChosen = await entry.click({ timeout: 1000 }).then(
          () => true,
          (error: unknown) => isChosen || String(error).includes('performing click action'),
        );
        return false;
      },
      { timeoutMilliseconds, intervalMilliseconds: 100 },
    );
  }
  return isChosen;
}
