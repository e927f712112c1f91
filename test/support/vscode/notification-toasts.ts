import type { Locator } from 'playwright-core';
import type { PageElement } from './page-element.ts';

/** A notification that is on the screen. */
export interface Notification {
  readonly severity: 'error' | 'warning' | 'info' | 'progress';
  readonly message: string;
  readonly buttons: readonly string[];
}

/** Reads notifications, the newest first. */
export async function readNotifications(items: Locator): Promise<Notification[]> {
  return items.evaluateAll((elements: PageElement[]) =>
    elements.map((element): Notification => {
      const icon = element.querySelector('.notification-list-item-icon')?.className ?? '';
      const row = element.closest('.monaco-list-row');
      const buttons = [...element.querySelectorAll('.notification-list-item-buttons-container .monaco-button')];
      const severity = icon.includes('codicon-error') ? 'error' : icon.includes('codicon-warning') ? 'warning' : 'info';
      return {
        severity: row?.querySelector('.monaco-progress-container.active') ? 'progress' : severity,
        message: element.querySelector('.notification-list-item-message')?.textContent ?? '',
        buttons: buttons.map((button) => button.textContent ?? ''),
      };
    }),
  );
}
