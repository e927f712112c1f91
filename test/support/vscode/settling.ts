import type { Page } from 'playwright-core';
import type { PageElement } from './page-element.ts';
import { until } from './until.ts';

/** Spinners, progress bars, and toasts on their way in. */
const moving = [
  '.monaco-progress-container.active',
  '.codicon-modifier-spin',
  '.codicon-loading',
  '.notification-toast:not(.notification-fade-in-done)',
].join(', ');

/** Waits until a screenshot would show nothing half way: no animation that has an end, no spinner, no fading toast. */
export async function untilSettled(page: Page): Promise<void> {
  let unsettled = '';
  await until(
    () => `the window to settle: ${unsettled}`,
    async () => {
      unsettled = await page.locator('body').evaluate((body: PageElement, selector: string) => {
        const seen = [...body.querySelectorAll(selector)].filter((element) => element.offsetParent !== null);
        const animations = body
          .getAnimations({ subtree: true })
          .filter(
            ({ playState, effect }) => playState === 'running' && effect?.getComputedTiming().iterations !== Infinity,
          );
        return [...seen.map((element) => element.className), ...animations.map(() => 'animation')].join(', ');
      }, moving);
      return unsettled === '';
    },
    { timeoutMilliseconds: 40_000 },
  );
}
