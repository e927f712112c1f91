import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FrameLocator } from 'playwright-core';
import { z } from 'zod';

const faults = z.array(z.string());

/** What axe-core finds in a page of a webview that is serious or critical: rule, and the elements that break it. */
export async function accessibilityFaults(page: FrameLocator): Promise<string[]> {
  const body = await page.locator('body').elementHandle();
  const frame = await body.ownerFrame();
  if (frame === null) {
    throw new Error('the webview has no page');
  }
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  await frame.evaluate(`${await readFile(axe, 'utf8')}; undefined`);
  return faults.parse(
    await frame.evaluate(`
      axe.run(document, { resultTypes: ['violations'], iframes: false }).then(({ violations }) =>
        violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, help, nodes }) => [id, help, ...nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary)].join('\\n')))
    `),
  );
}
