/** What is to be in the page, as plain values. Text only ever becomes text: names and notes come from users and files. */
export interface PageElement extends ElementExtras {
  tag: string;
  attributes: ElementAttributes;
  children: readonly PageNode[];
}

export type PageNode = PageElement | string;

/** One that is `undefined` or false is not there, one that is true has no value. */
export type ElementAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ElementExtras {
  /** Which of its siblings it is, from one drawing to the next; by its place when absent. */
  key?: string;
  /** CSS properties, as the page's policy allows no `style` attributes. */
  style?: Readonly<Record<string, string>>;
  /** What is in a text field. */
  value?: string;
  on?: Readonly<Partial<Record<string, (event: Event) => void>>>;
}

/** @param children those that are `undefined` are left out */
export function element(
  tag: string,
  attributes: ElementAttributes = {},
  children: readonly (PageNode | undefined)[] = [],
  extras: ElementExtras = {},
): PageElement {
  return { tag, attributes, children: children.filter((child) => child !== undefined), ...extras };
}
