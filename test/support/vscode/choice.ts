import type { Locator } from 'playwright-core';
import type { PageElement } from './page-element.ts';
import { labelWithSuffix, type Text } from './text-match.ts';
import { until } from './until.ts';

/** What a screen reader calls each element, and else its text. */
export async function namesOf(elements: Locator): Promise<string[]> {
  const names = await elements.evaluateAll((present: PageElement[]) =>
    present.map((element) => element.getAttribute('aria-label') || element.textContent || ''),
  );
  return names.map((name) => name.trim());
}

/**
 * Waits for a button, icon or menu item by its name, with or without a keyboard shortcut or a badge behind it.
 * @param what what is looked for, and where, for the error: `button of the dialog`
 * @throws with the names that are there when the time is up
 */
export async function choose(
  what: string,
  candidates: Locator,
  name: Text,
  timeoutMilliseconds: number,
): Promise<Locator> {
  let names: string[] = [];
  return until(
    () => `the ${what} ${String(name)} among: ${names.join(' | ') || 'none'}`,
    async () => {
      names = await namesOf(candidates);
      const position = names.findIndex((candidate) => labelWithSuffix(name).test(candidate));
      return position < 0 ? undefined : candidates.nth(position);
    },
    { timeoutMilliseconds },
  );
}
