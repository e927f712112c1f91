/** Brings a part of the page to what is to be in it, and keeps elements that are there already, with their focus and scroll position. */
import type { PageElement, PageNode } from './element.ts';

const svgNamespace = 'http://www.w3.org/2000/svg';
const svgTags = new Set(['svg', 'g', 'path', 'rect', 'circle', 'text']);

/** What was drawn into an element last. */
interface Drawn {
  key: string;
  element: PageElement;
}

const drawn = new WeakMap<Node, Drawn>();

/** Replaces what is in `parent`. */
export function draw(parent: Element, children: readonly PageNode[]): void {
  const keys = keysOf(children);
  const wanted = new Set(keys);
  const kept = new Map<string, ChildNode>();
  for (const node of [...parent.childNodes]) {
    const key = drawn.get(node)?.key;
    if (key !== undefined && wanted.has(key)) {
      kept.set(key, node);
    } else {
      node.remove();
    }
  }
  // Only what is out of its place is moved: an element that is moved loses the focus.
  let place = parent.firstChild;
  children.forEach((child, index) => {
    const key = keys[index] ?? '';
    const node = kept.get(key) ?? created(child);
    if (node === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(node, place);
    }
    if (typeof child === 'string') {
      if (node.textContent !== child) {
        node.textContent = child;
      }
      drawn.set(node, { key, element: { tag: '', attributes: {}, children: [] } });
    } else if (node instanceof Element) {
      update(node, child, drawn.get(node)?.element);
      drawn.set(node, { key, element: child });
    }
  });
}

/** A key says the tag too, so that what is kept is of the same kind. */
function keysOf(children: readonly PageNode[]): string[] {
  const counts = new Map<string, number>();
  return children.map((child) => {
    if (typeof child !== 'string' && child.key !== undefined) {
      return `${child.tag} ${child.key}`;
    }
    const tag = typeof child === 'string' ? '' : child.tag;
    const count = counts.get(tag) ?? 0;
    counts.set(tag, count + 1);
    return `${tag} #${count}`;
  });
}

function created(child: PageNode): ChildNode {
  if (typeof child === 'string') {
    return document.createTextNode(child);
  }
  return svgTags.has(child.tag) ? document.createElementNS(svgNamespace, child.tag) : document.createElement(child.tag);
}

function update(node: Element, to: PageElement, from: PageElement | undefined): void {
  for (const [name, value] of Object.entries(to.attributes)) {
    if (value === undefined || value === false) {
      node.removeAttribute(name);
    } else if (from?.attributes[name] !== value) {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  for (const name of Object.keys(from?.attributes ?? {}).filter((one) => !(one in to.attributes))) {
    node.removeAttribute(name);
  }
  if (node instanceof HTMLElement || node instanceof SVGElement) {
    for (const [name, value] of Object.entries(to.style ?? {})) {
      if (from?.style?.[name] !== value) {
        node.style.setProperty(name, value);
      }
    }
  }
  for (const type of Object.keys(to.on ?? {}).filter((one) => from?.on?.[one] === undefined)) {
    node.addEventListener(type, (event) => drawn.get(node)?.element.on?.[type]?.(event));
  }
  draw(node, to.children);
  if (node instanceof HTMLTextAreaElement && to.value !== undefined && node.value !== to.value) {
    node.value = to.value;
  }
}
