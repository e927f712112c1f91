/**
 * The few members of the browser's `Element` that the functions use which Playwright runs inside the page. They make
 * the tests independent of TypeScript's `dom` library, which would put browser names into scope everywhere.
 *
 * Such functions must not name an inner function: tsx wraps those in a call that does not exist inside the page.
 */
export interface PageElement {
  readonly textContent: string | null;
  readonly isConnected: boolean;
  readonly className: string;
  /** `null` while the element, or what it is in, is not displayed. */
  readonly offsetParent: unknown;
  readonly ownerDocument: { readonly defaultView: PageWindow | null };
  getAttribute(name: string): string | null;
  matches(selector: string): boolean;
  closest(selector: string): PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  getAnimations(options: { subtree: boolean }): readonly PageAnimation[];
}

/** The part of the browser's `Window` that tells how something looks. */
export interface PageWindow {
  getComputedStyle(element: PageElement, pseudoElement: string): { readonly content: string };
}

/** The part of the browser's `Animation` that tells whether a screenshot would show it half way. */
export interface PageAnimation {
  readonly playState: string;
  readonly effect: { getComputedTiming(): { readonly iterations?: number } } | null;
}
