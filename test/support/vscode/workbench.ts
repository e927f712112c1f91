import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { choose, namesOf } from './choice.ts';
import { chooseFromMenu } from './context-menu.ts';
import { type Notification, readNotifications } from './notification-toasts.ts';
import type { PageElement } from './page-element.ts';
import { QuickInput } from './quick-input.ts';
import { untilSettled } from './settling.ts';
import { containerTitle, type Text, wholeText } from './text-match.ts';
import { findRow, readTreeRows, type RowAddress, type TreeRow } from './tree-rows.ts';
import { until } from './until.ts';

/** A modal dialog that is on the screen. */
export interface ModalDialog {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
}

/** How long things may take that one action of ours causes. */
export const actionTimeoutMilliseconds = 40_000;

/** How long a view may take to appear, or to fill: extensions start slowly on a busy machine. */
export const viewTimeoutMilliseconds = 60_000;

/** A window that has not moved for this long after a click has not noticed it: what was clicked was drawn anew meanwhile. */
const unnoticedMilliseconds = 8000;

/** A part of the window, in CSS pixels. */
export interface PictureClip {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A VS Code window, in the words of its user. Every method waits until what it needs is there, unless it says otherwise,
 * and throws when the time is up. A {@link Text} that is a string means the whole text, unless "contains" is said.
 */
export class Workbench {
  /** For what no method covers. */
  readonly page: Page;
  private readonly quick: QuickInput;
  private readonly artifactsFolder: string;

  constructor(page: Page, artifactsFolder: string) {
    this.page = page;
    this.artifactsFolder = artifactsFolder;
    this.quick = new QuickInput(page);
  }

  /** Shows a view container of the activity bar in the side bar. */
  async openView(title: Text): Promise<void> {
    const icon = await this.viewContainerIcon(title);
    const heading = this.page.locator('.part.sidebar .composite.title h2', { hasText: containerTitle(title) });
    await until(
      `the view ${String(title)}`,
      async () => {
        if (await heading.isVisible()) return true;
        await icon.locator('..').click();
        // Where the window was about to show it by itself, the click has hidden it.
        return heading.waitFor({ timeout: 5000 }).then(
          () => true,
          () => false,
        );
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** What the badge on a view container's icon says, `2 jobs run`; empty without one. Does not wait for one. */
  async viewBadge(title: Text): Promise<string> {
    const icon = await this.viewContainerIcon(title);
    return / - (.*)$/.exec((await icon.getAttribute('aria-label')) ?? '')?.[1] ?? '';
  }

  /** The rows of the views in the side bar, or of one of the views, that are in sight now. Does not wait. */
  async treeRows(view?: Text): Promise<TreeRow[]> {
    const rows = await readTreeRows(this.page.locator('.part.sidebar [role=treeitem]'));
    return view === undefined ? rows : rows.filter((row) => wholeText(view).test(row.view));
  }

  /** Waits for exactly one row at the address, and returns it. */
  async treeRow(address: RowAddress): Promise<TreeRow> {
    let missing = '';
    return until(
      () => missing,
      async () => {
        const rows = await this.treeRows();
        const found = findRow(rows, address);
        if (typeof found === 'number') return rows[found];
        missing = `the side bar: ${found}`;
        return undefined;
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** Waits until a screen reader would hear `state` of the row at the address. */
  async waitForTreeState(address: RowAddress, state: RegExp): Promise<void> {
    let heard = '';
    await until(
      () => `${String(state)} of the row ${String(address)}, of which is said: ${heard}`,
      async () => {
        heard = (await this.treeRow(address)).ariaLabel;
        return state.test(heard);
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** Waits until no row is at the address. */
  async waitForNoTreeRow(address: RowAddress): Promise<void> {
    await until(
      `the row ${String(address)} to disappear`,
      async () => {
        const found = findRow(await this.treeRows(), address);
        return typeof found === 'string' && found.startsWith('no row');
      },
      { timeoutMilliseconds: actionTimeoutMilliseconds },
    );
  }

  /** Clicks a row, which selects it, runs its command, and expands or collapses it. */
  async clickRow(address: RowAddress): Promise<void> {
    await until(
      `a click on ${String(address)} to select it`,
      async () => {
        await this.onRow(address, async (row, timeout) => {
          await row.hover({ timeout });
          await clickOnce(row.locator('.monaco-icon-label').first(), timeout);
        });
        return until('it', async () => (await this.treeRow(address)).isSelected, {
          timeoutMilliseconds: unnoticedMilliseconds,
        }).catch(() => false);
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** Shows the children of a row, unless they are shown. */
  async expandRow(address: RowAddress): Promise<void> {
    await this.toggleRow(address, true);
  }

  /** Hides the children of a row, unless they are hidden. */
  async collapseRow(address: RowAddress): Promise<void> {
    await this.toggleRow(address, false);
  }

  /** Moves the mouse over a row, which shows its inline actions, and a little later its tooltip. */
  async hoverRow(address: RowAddress): Promise<void> {
    await this.onRow(address, (row, timeout) => row.hover({ timeout }));
  }

  /** The letters at the end of a row, which a file decoration puts there; empty without. Does not wait for them. */
  async rowDecoration(address: RowAddress): Promise<string> {
    let content = '';
    await this.onRow(address, async (row, timeout) => {
      content = await row
        .locator('.monaco-icon-label')
        .first()
        .evaluate(
          (label: PageElement) => label.ownerDocument.defaultView?.getComputedStyle(label, '::after').content ?? '',
          undefined,
          { timeout },
        );
    });
    return /^"(.*)"$/.exec(content)?.[1] ?? '';
  }

  /** Moves the mouse over a row, and waits for its tooltip; returns what it says. */
  async rowTooltip(address: RowAddress, part: Text): Promise<string> {
    const tooltip = this.page.locator('.monaco-hover:visible', { hasText: part });
    return until(
      `the tooltip of ${String(address)} with ${String(part)}`,
      async () => {
        await this.page.mouse.move(0, 0);
        await this.hoverRow(address);
        // A row that is drawn again meanwhile takes its tooltip with it.
        return tooltip.textContent({ timeout: 8000 }).then(
          (text) => text ?? '',
          () => undefined,
        );
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** The titles of the actions that a row shows while the mouse is over it. */
  async inlineActions(address: RowAddress): Promise<string[]> {
    const row = await this.onRow(address, (element, timeout) => element.hover({ timeout }));
    return namesOf(row.locator('.actions a.action-label'));
  }

  /** Clicks an icon at the end of a row. */
  async clickInlineAction(address: RowAddress, actionTitle: Text): Promise<void> {
    await this.onRow(address, async (row, timeout) => {
      await row.hover({ timeout });
      const action = await choose('inline action', row.locator('.actions a.action-label'), actionTitle, timeout);
      await clickOnce(action, timeout);
    });
  }

  /** Ticks the checkbox of a row, or the other way round. */
  async clickCheckbox(address: RowAddress): Promise<void> {
    await this.onRow(address, (row, timeout) =>
      clickOnce(row.locator('.custom-view-tree-node-item-checkbox'), timeout),
    );
  }

  /** Clicks an icon in the title bar of a view. */
  async clickViewAction(view: Text, actionTitle: Text): Promise<void> {
    const title = this.page.locator('.title', { hasText: wholeText(view) });
    const header = this.page.locator('.part.sidebar .pane-header', { has: title });
    const only = this.page.locator('.part.sidebar .composite.title'); // a view that is alone has no header of its own
    const bar = (await header.isVisible()) ? header : only;
    await bar.hover();
    await this.click('action of the view', bar.locator('a.action-label'), actionTitle);
  }

  /** Chooses from the context menu of a row; more than one item leads through submenus. */
  async contextMenu(address: RowAddress, ...items: Text[]): Promise<void> {
    let problem = '';
    await until(
      () => `the context menu of ${String(address)} to stay until an item is chosen. ${problem}`,
      async () => {
        await this.openContextMenu(address);
        try {
          return await chooseFromMenu(this.page, items);
        } catch (error) {
          problem = String(error);
          await this.page.keyboard.press('Escape');
          return false;
        }
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  /** The items of a row's context menu, without those of submenus. */
  async contextMenuItems(address: RowAddress): Promise<string[]> {
    await this.openContextMenu(address);
    const items = await this.page.locator('.monaco-menu .action-menu-item .action-label').allTextContents();
    await this.page.keyboard.press('Escape');
    await this.page.locator('.monaco-menu').first().waitFor({ state: 'hidden' });
    return items;
  }

  /** Runs a command from the palette, by the title that the palette shows: `Category: Title`. */
  async runCommand(title: Text): Promise<void> {
    await this.quick.runCommand(title);
  }

  /**
   * Reloads the window as users do. A browser that is told to reload does not wait until VS Code has written down what was open.
   */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent('load', { timeout: viewTimeoutMilliseconds });
    // The palette goes with the window.
    await Promise.all([loaded, this.runCommand('Developer: Reload Window').catch(() => undefined)]);
  }

  /** Picks an item from a quick pick, by its label. */
  async quickPick(label: Text): Promise<void> {
    await this.quick.pick(label);
  }

  /** Ticks items of a quick pick that takes several, and confirms. */
  async quickPickMany(labels: readonly Text[]): Promise<void> {
    await this.quick.pickMany(labels);
  }

  /** The labels in a quick pick. */
  async quickPickItems(): Promise<string[]> {
    return this.quick.items();
  }

  /** Types into an input box in place of what is there, and accepts it. @throws with its message when it is refused */
  async quickInput(text: string): Promise<void> {
    await this.quick.accept(text);
  }

  /** Answers the dialog that asks for a file or a folder, in which VS Code completes what is typed. */
  async chooseFile(file: string): Promise<void> {
    await this.quick.chooseFile(file);
  }

  /** Types into an input box, or the filter of a quick pick, in place of what is there. */
  async fillQuickInput(text: string): Promise<void> {
    await this.quick.fill(text);
  }

  /** Waits for an input box with this in it, such as its default. */
  async waitForQuickInputValue(value: RegExp): Promise<void> {
    await this.quick.waitForValue(value);
  }

  /** The line under an input box: its prompt, or why the value is refused. */
  async quickInputMessage(): Promise<string> {
    return this.quick.promptMessage();
  }

  /** Closes a quick pick or an input box without an answer. */
  async cancelQuickInput(): Promise<void> {
    await this.quick.cancel();
  }

  /** The notifications on the screen now: VS Code shows three at most, and most of them for ten seconds. Does not wait. */
  async notifications(): Promise<Notification[]> {
    return readNotifications(this.notificationItems());
  }

  /** Waits for a notification that contains `text`, also for one that has left the screen. */
  async waitForNotification(text: Text, timeoutMilliseconds = actionTimeoutMilliseconds): Promise<Notification> {
    let present: Notification[] = [];
    const since = performance.now();
    return until(
      () => `the notification ${String(text)} among: ${present.map(({ message }) => message).join(' | ')}`,
      async () => {
        present = await this.notifications();
        const found = present.find(({ message }) =>
          typeof text === 'string' ? message.includes(text) : text.test(message),
        );
        if (found === undefined && performance.now() - since > timeoutMilliseconds * 0.75)
          await this.openNotifications();
        return found;
      },
      { timeoutMilliseconds },
    );
  }

  /** Waits for a notification that contains `text`, and clicks one of its buttons. */
  async clickNotificationButton(text: Text, button: Text): Promise<void> {
    const notification = this.notificationItems()
      .filter({ has: this.page.locator('.notification-list-item-message', { hasText: text }) })
      .first();
    await this.waitForNotification(text);
    await this.click('button of the notification', notification.locator('.monaco-button'), button);
  }

  /** Removes the notifications from the screen. Extensions may answer with new ones. */
  async clearNotifications(): Promise<void> {
    const present = await this.notificationItems().elementHandles();
    await this.runCommand('Notifications: Clear All Notifications');
    for (const notification of present) await notification.waitForElementState('hidden');
  }

  /** Whether a modal dialog is open now. */
  async hasModalDialog(): Promise<boolean> {
    return this.page.locator('.monaco-dialog-box').isVisible();
  }

  /** Waits for a modal dialog and reads it. */
  async modalDialog(): Promise<ModalDialog> {
    const dialog = this.page.locator('.monaco-dialog-box');
    await dialog.waitFor({ timeout: actionTimeoutMilliseconds });
    const text = async (selector: string): Promise<string> =>
      (await dialog.locator(selector).allTextContents()).join('\n').trim();
    return {
      message: await text('.dialog-message-text'),
      detail: await text('.dialog-message-detail, .dialog-message-body'),
      buttons: await dialog.locator('.dialog-buttons .monaco-button').allTextContents(),
    };
  }

  /** Waits for a modal dialog, clicks one of its buttons, and waits until it is gone. */
  async clickDialogButton(button: Text): Promise<void> {
    const dialog = this.page.locator('.monaco-dialog-box');
    await this.click('button of the dialog', dialog.locator('.dialog-buttons .monaco-button'), button);
    await dialog.waitFor({ state: 'hidden' });
  }

  /** Types into the terminal that is shown; a line feed presses Enter. */
  async typeInTerminal(text: string): Promise<void> {
    const terminal = this.page.locator('.terminal-wrapper.active');
    await terminal.locator('.xterm-helper-textarea').focus();
    await terminal.locator('.xterm.focus').waitFor();
    for (const [index, line] of text.split('\n').entries()) {
      if (index > 0) await this.page.keyboard.press('Enter');
      await this.page.keyboard.type(line);
    }
  }

  /** The lines in sight of the terminal that is shown, without trailing blanks. */
  async terminalText(): Promise<string> {
    const rows = this.page.locator('.terminal-wrapper.active .xterm-rows > div');
    await rows.first().waitFor({ state: 'attached', timeout: actionTimeoutMilliseconds });
    const lines = await rows.allTextContents();
    return lines
      .map((line) => line.replaceAll('\u00a0', ' ').trimEnd())
      .join('\n')
      .trimEnd();
  }

  /** Waits until the terminal shows a text that contains `text`, and returns all that it shows. */
  async waitForTerminalText(text: Text, timeoutMilliseconds = actionTimeoutMilliseconds): Promise<string> {
    let shown = '';
    return until(
      () => `${String(text)} in the terminal, which shows:\n${shown}`,
      async () => {
        shown = await this.terminalText();
        return (typeof text === 'string' ? shown.includes(text) : text.test(shown)) && shown;
      },
      { timeoutMilliseconds },
    );
  }

  /** Waits for the status bar item that contains `text`; the locator can be clicked, and has the tooltip in `aria-label`. */
  async statusBarItem(text: Text): Promise<Locator> {
    const item = this.page.locator('.part.statusbar .statusbar-item a', { hasText: text }).first();
    await item.waitFor({ timeout: viewTimeoutMilliseconds });
    return item;
  }

  /** What was copied last. */
  async clipboardText(): Promise<string> {
    return this.page.evaluate<string>('navigator.clipboard.readText()');
  }

  /** The content of the webview that is shown. */
  webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview').frameLocator('#active-frame');
  }

  /**
   * Takes a picture as soon as nothing moves, fades in or spins.
   * @param options.clip of this part of the window only, in CSS pixels
   * @returns the file, named after `name`
   */
  async screenshot(
    name: string,
    { settle = true, keepTooltip = false, clip }: { settle?: boolean; keepTooltip?: boolean; clip?: PictureClip } = {},
  ): Promise<string> {
    await mkdir(this.artifactsFolder, { recursive: true });
    if (!keepTooltip && (await this.page.locator('.monaco-hover').first().isVisible()))
      await this.page.mouse.move(0, 0); // covers what is asked
    if (settle) await untilSettled(this.page);
    const file = path.join(this.artifactsFolder, `${name}.png`);
    await this.page.screenshot({ path: file, caret: 'hide', ...(clip === undefined ? {} : { clip }) });
    return file;
  }

  /** Closes the window. */
  async close(): Promise<void> {
    await this.page.context().close();
  }

  private async viewContainerIcon(title: Text): Promise<Locator> {
    const icons = this.page.locator('.part.activitybar .action-item > a');
    return choose('view container', icons, title, viewTimeoutMilliseconds);
  }

  /** Shows those that left the screen, too, unless something is open that would close by a click elsewhere. */
  private async openNotifications(): Promise<void> {
    const inTheWay = '.notifications-center.visible, .quick-input-widget, .monaco-dialog-box, .monaco-menu';
    const open = await this.page
      .locator(inTheWay)
      .evaluateAll((elements: PageElement[]) => elements.some(({ offsetParent }) => offsetParent !== null));
    if (!open)
      await this.page
        .locator('[id="status.notifications"] a')
        .click({ timeout: 1000 })
        .catch(() => undefined);
  }

  private notificationItems(): Locator {
    return this.page.locator(
      '.notifications-toasts .notification-list-item, .notifications-center .notification-list-item',
    );
  }

  private async click(what: string, candidates: Locator, name: Text): Promise<void> {
    await (await choose(what, candidates, name, actionTimeoutMilliseconds)).click();
  }

  private async toggleRow(address: RowAddress, isExpanded: boolean): Promise<void> {
    const state = async (): Promise<boolean> => {
      const { isExpanded: present } = await this.treeRow(address);
      if (present === undefined) throw new Error(`the row ${String(address)} has no children`);
      return present === isExpanded;
    };
    await until(
      `the row ${String(address)} to ${isExpanded ? 'expand' : 'collapse'}`,
      async () => {
        if (await state()) return true;
        await this.onRow(address, (row, timeout) => clickOnce(row.locator('.monaco-tl-twistie'), timeout));
        return until('it', state, { timeoutMilliseconds: unnoticedMilliseconds }).catch(() => false);
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }

  private async openContextMenu(address: RowAddress): Promise<void> {
    await this.onRow(address, async (row, timeout) => {
      await clickOnce(row, timeout, 'right');
      await this.page.locator('.monaco-menu').first().waitFor({ timeout });
    });
  }

  /** Acts on a row, again if the tree changed before the mouse was there, and returns the row's element. */
  private async onRow(
    address: RowAddress,
    act: (row: Locator, timeoutMilliseconds: number) => Promise<void>,
  ): Promise<Locator> {
    let reason: unknown;
    return until(
      () => `the row ${String(address)}: ${String(reason)}`,
      async () => {
        const { elementId, label } = await this.treeRow(address);
        const row = this.page.locator(`[id="${elementId}"]`, { hasText: label });
        try {
          await act(row, 3000);
          return row;
        } catch (error) {
          if (String(error).includes('performing click action')) throw error; // a second click would be another action
          reason = error;
          await this.page.mouse.move(0, 0); // a tooltip may lie over the row
          return undefined;
        }
      },
      { timeoutMilliseconds: viewTimeoutMilliseconds },
    );
  }
}

/**
 * Clicks what is ready for it within the time. The click itself may take longer, in a window that stands still: it must not be
 * given up, as nobody would know whether it was one.
 */
async function clickOnce(target: Locator, timeout: number, button: 'left' | 'right' = 'left'): Promise<void> {
  await target.click({ trial: true, button, timeout });
  await target.click({ button, timeout: timeout + unnoticedMilliseconds });
}
