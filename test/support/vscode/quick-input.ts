import type { Locator, Page } from 'playwright-core';
import type { PageElement } from './page-element.ts';
import { type Text, wholeText } from './text-match.ts';
import { until } from './until.ts';

const timeoutMilliseconds = 40_000;

/** For how long a refusal must stand: the one of the text before stays until the extension has judged the new one. */
const refusalMilliseconds = 2000;

/** A dialog that has not moved for this long has not heard the key. */
const unansweredMilliseconds = 8000;

/** What the extension calls its file dialogs, and none of the steps before and after them. */
const fileDialogTitle = /^Choose |: into which folder\?$/;

/** The widget at the top of the window: command palette, quick picks and input boxes, one after the other. */
export class QuickInput {
  private readonly page: Page;
  private readonly widget: Locator;
  private readonly input: Locator;

  constructor(page: Page) {
    this.page = page;
    this.widget = page.locator('.quick-input-widget');
    this.input = this.widget.locator('.quick-input-box input');
  }

  /** Runs the command whose title in the palette is `title`. A title that only becomes available is waited for. */
  async runCommand(title: Text): Promise<void> {
    const query = `>${typeof title === 'string' ? title : ''}`;
    let offered: string[] = [];
    await until(
      () => `the command ${String(title)} in the palette, which offers: ${offered.slice(0, 8).join(' | ')}`,
      async () => {
        await this.page.keyboard.press('F1');
        try {
          await this.input.fill(query, { timeout: unansweredMilliseconds });
        } catch {
          return false; // an editor that just opened took the key, or the focus, upon which the palette closes
        }
        const found = this.row(title);
        try {
          await found.waitFor({ timeout: 2000 });
        } catch {
          offered = await this.labels();
          await this.page.keyboard.press('Escape'); // the list is computed when the palette opens
          return false;
        }
        return this.click(found);
      },
      { timeoutMilliseconds: 2 * timeoutMilliseconds },
    );
  }

  /** Clicks the item with this label. */
  async pick(label: Text): Promise<void> {
    await until(
      `a click on ${String(label)}`,
      async () => {
        await this.waitForItem(label);
        return this.click(this.row(label));
      },
      { timeoutMilliseconds },
    );
  }

  /** Ticks the items with these labels and confirms. */
  async pickMany(labels: readonly Text[]): Promise<void> {
    for (const label of labels) {
      await this.waitForItem(label);
      await this.row(label).locator('[role=checkbox], input[type=checkbox]').first().click();
    }
    const accept = this.widget.locator('.quick-input-action .monaco-button', { hasText: /^OK$/ });
    if (!(await this.click(accept))) throw new Error('the quick pick was gone before OK was clicked');
  }

  /** The labels of the items, once there are any. */
  async items(): Promise<string[]> {
    await this.rows().first().waitFor({ timeout: timeoutMilliseconds });
    return this.labels();
  }

  /** Replaces the text. */
  async fill(text: string): Promise<void> {
    await this.input.waitFor({ timeout: timeoutMilliseconds });
    await this.input.fill(text);
  }

  /** Replaces the text and presses Enter. @throws when the text is refused */
  async accept(text: string): Promise<void> {
    await this.fill(text);
    await this.page.keyboard.press('Enter');
    let pressedAt = performance.now();
    let refusedSince: number | undefined;
    await until(
      `the input box to accept ${JSON.stringify(text)}`,
      async () => {
        if (!(await this.input.isVisible())) return true;
        if ((await this.input.inputValue()) !== text) return true; // the next step's box is open
        refusedSince = (await this.isRefused()) ? (refusedSince ?? performance.now()) : undefined;
        if (refusedSince !== undefined && performance.now() - refusedSince > refusalMilliseconds) {
          throw new Error(`the input box refuses ${JSON.stringify(text)}: ${await this.message()}`);
        }
        if (refusedSince === undefined && performance.now() - pressedAt > unansweredMilliseconds) {
          // A box that was just opened can miss the key.
          pressedAt = performance.now();
          await this.page.keyboard.press('Enter');
        }
        return false;
      },
      { timeoutMilliseconds },
    );
  }

  /**
   * Gives VS Code's own file dialog a path, and waits until it has taken it. The dialog puts its first folder in place
   * of what was typed while it opened, and ignores Enter while it looks a folder up: so both are repeated.
   */
  async chooseFile(file: string): Promise<void> {
    const title = this.widget.locator('.quick-input-title', { hasText: fileDialogTitle });
    await title.waitFor({ timeout: timeoutMilliseconds });
    // What is pressed too early or too late goes to the next input box, and answers that.
    let pressed = { on: '', at: 0 };
    await until(
      `the file dialog to take ${file}`,
      async () => {
        if (!(await title.isVisible())) return true;
        const value = await this.input.inputValue();
        if (!value.startsWith(file)) {
          await this.input.fill(file);
        } else if (value !== pressed.on || performance.now() - pressed.at > unansweredMilliseconds) {
          pressed = { on: value, at: performance.now() };
          await this.page.keyboard.press('Enter');
        }
        return false;
      },
      { timeoutMilliseconds, intervalMilliseconds: 300 },
    );
  }

  /** Waits for this text: what was asked before is in the same box, and leaves it a little later. */
  async waitForValue(value: RegExp): Promise<void> {
    let found = '';
    await until(
      () => `${String(value)} in an input box, in which is: ${found}`,
      async () => {
        found = (await this.input.isVisible()) ? await this.input.inputValue() : '';
        return value.test(found);
      },
      { timeoutMilliseconds },
    );
  }

  /** The line below the text, once there is one: the box of the step before is still there for a moment. */
  async promptMessage(): Promise<string> {
    await this.widget
      .locator('.quick-input-message', { hasText: /\S/ })
      .first()
      .waitFor({ timeout: timeoutMilliseconds });
    return this.message();
  }

  private async message(): Promise<string> {
    return (await this.widget.locator('.quick-input-message').first().textContent()) ?? '';
  }

  /** Closes the widget. */
  async cancel(): Promise<void> {
    await this.input.waitFor({ timeout: timeoutMilliseconds });
    await this.page.keyboard.press('Escape');
    await this.widget.waitFor({ state: 'hidden', timeout: timeoutMilliseconds });
  }

  private rows(): Locator {
    return this.widget.locator('.quick-input-list .monaco-list-row');
  }

  private row(label: Text): Locator {
    return this.rows()
      .filter({
        has: this.page.locator('.quick-input-list-row:first-child .label-name', { hasText: wholeText(label) }),
      })
      .first();
  }

  private async labels(): Promise<string[]> {
    if (!(await this.widget.isVisible())) return []; // a closed widget keeps its rows
    return this.rows().locator('.quick-input-list-row:first-child .label-name').allTextContents();
  }

  private async isRefused(): Promise<boolean> {
    return this.widget.locator('.quick-input-box .monaco-inputbox.error').isVisible();
  }

  private async waitForItem(label: Text): Promise<void> {
    let offered: string[] = [];
    await until(
      () => `the item ${String(label)} in the quick pick, which offers: ${offered.join(' | ') || 'nothing'}`,
      async () => {
        if (await this.row(label).isVisible()) return true;
        offered = await this.labels();
        return false;
      },
      { timeoutMilliseconds },
    );
  }

  /**
   * Clicks, and waits until what was clicked is gone, so that the next call meets the next step and not this one.
   * @returns false when it was gone before it could be clicked, as when the widget loses the focus
   */
  private async click(target: Locator): Promise<boolean> {
    const press = (): Promise<boolean> =>
      target.click({ timeout: unansweredMilliseconds }).then(
        () => true,
        (error: unknown) => String(error).includes('performing click action'),
      );
    const element = await target.elementHandle({ timeout: unansweredMilliseconds }).catch(() => null);
    const text = await element?.textContent();
    if (element === null || !(await press())) return false;
    let pressedAt = performance.now();
    await until(
      `the quick input to leave ${String(text)}`,
      async () => {
        const shown = await element.evaluate((clicked: PageElement) =>
          clicked.isConnected && clicked.offsetParent !== null ? clicked.textContent : undefined,
        );
        if (shown !== text) return true;
        if (performance.now() - pressedAt > unansweredMilliseconds) {
          // A list that is drawn anew under the mouse misses the click.
          pressedAt = performance.now();
          await press();
        }
        return false;
      },
      { timeoutMilliseconds },
    );
    return true;
  }
}
