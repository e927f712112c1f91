import type { DiskFile } from '../disk-file.ts';

/** What a page is part of; decides when it is written back. */
export type PageKind = 'refcountBlock' | 'refcountTable' | 'mapping';

/** Who holds a page, and gives it up when the memory is needed. */
export interface PageOwner {
  forget(page: Page): void;
}

/** A part of the image's tables, as long as one read brings. */
export class Page {
  /** Where it lies in the file, in bytes. */
  readonly offset: number;
  readonly bytes: Buffer;
  readonly owner: PageOwner;
  kind: PageKind = 'mapping';
  /** The bytes to be written back: from, up to. Equal: none. */
  dirtyFrom = 0;
  dirtyTo = 0;
  /** Number of pages that the budget had seen when this one came. */
  turn = 0;
  /** Set at each use, cleared by the budget when it looks for a page to give up. */
  wasUsed = true;

  constructor(owner: PageOwner, offset: number, bytes: Buffer) {
    this.owner = owner;
    this.offset = offset;
    this.bytes = bytes;
  }

  get isDirty(): boolean {
    return this.dirtyTo > this.dirtyFrom;
  }
}

/** The latest pages stay, whatever the limit: a call needs two at a time, and would not end if each took the other's place. */
const latestPages = 16;

/** Memory that a page takes beside its bytes. */
const pageOverheadBytes = 512;

/**
 * A bound on the pages of all layers together: a chain may be a thousand layers deep. The least recently used clean page
 * goes first; dirty ones stay until their layer has written them.
 */
export class PageBudget {
  readonly #limitBytes: number;
  readonly #pages = new Set<Page>();
  #bytes = 0;
  #turn = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  add(page: Page): void {
    this.#pages.add(page);
    page.turn = ++this.#turn;
    this.#bytes += page.bytes.length + pageOverheadBytes;
    if (this.#bytes > this.#limitBytes) {
      this.#shrink();
    }
  }

  remove(page: Page): void {
    if (this.#pages.delete(page)) {
      this.#bytes -= page.bytes.length + pageOverheadBytes;
    }
  }

  #shrink(): void {
    // Each page is looked at twice at the most: a used one gets a second chance.
    let looks = this.#pages.size * 2;
    for (const page of this.#pages) {
      if (this.#bytes <= this.#limitBytes || looks-- === 0) {
        return;
      }
      if (page.wasUsed || page.isDirty || this.#turn - page.turn < latestPages) {
        page.wasUsed = false;
        this.#pages.delete(page);
        this.#pages.add(page);
      } else {
        page.owner.forget(page);
      }
    }
  }
}

export const sharedBudget = new PageBudget(24 * 1024 * 1024);
/** A deep chain reads one page of each layer for one sector; a page of L2 entries tells of 128 MiB in usual clusters. */
const longestPageBytes = 16 * 1024;

/** Pages of one image's tables by their place in the file. A page never spans two clusters. */
export class PageCache implements PageOwner {
  readonly pageBytes: number;
  readonly #file: DiskFile;
  readonly #budget: PageBudget;
  readonly #pages = new Map<number, Page>();
  readonly #loading = new Map<number, Promise<void>>();
  readonly #dirty = new Set<Page>();

  constructor(file: DiskFile, clusterSize: number, budget = sharedBudget) {
    this.#file = file;
    this.#budget = budget;
    this.pageBytes = Math.min(clusterSize, longestPageBytes);
  }

  /** The page that a byte of the file lies in, if it is here. Whoever changes it does so before anything is awaited. */
  get(offset: number): Page | undefined {
    const page = this.#pages.get(offset - (offset % this.pageBytes));
    if (page !== undefined) {
      page.wasUsed = true;
    }
    return page;
  }

  /** Brings the page that a byte lies in; what is beyond the file's end is zero. */
  load(offset: number): Promise<void> {
    const start = offset - (offset % this.pageBytes);
    if (this.#pages.has(start)) {
      return Promise.resolve();
    }
    let loading = this.#loading.get(start);
    if (loading === undefined) {
      loading = this.#read(start);
      this.#loading.set(start, loading);
    }
    return loading;
  }

  async #read(start: number): Promise<void> {
    try {
      const bytes = Buffer.allocUnsafeSlow(this.pageBytes);
      const length = await this.#file.read(bytes, start);
      bytes.fill(0, length);
      if (!this.#pages.has(start)) {
        this.#insert(new Page(this, start, bytes));
      }
    } finally {
      this.#loading.delete(start);
    }
  }

  /** Puts zeros in the place of a table that was just allocated, without reading what the file has there. */
  putZeros(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += this.pageBytes) {
      this.drop(at, this.pageBytes);
      // A new table is filled bit by bit: of a long one only the first page is likely to be needed soon.
      if (at === offset) {
        this.#insert(new Page(this, at, Buffer.alloc(this.pageBytes)));
      }
    }
  }

  markDirty(page: Page, from: number, length: number, kind: PageKind): void {
    if (page.isDirty) {
      page.dirtyFrom = Math.min(page.dirtyFrom, from);
      page.dirtyTo = Math.max(page.dirtyTo, from + length);
    } else {
      page.dirtyFrom = from;
      page.dirtyTo = from + length;
      this.#dirty.add(page);
    }
    page.kind = kind;
  }

  markClean(page: Page): void {
    page.dirtyFrom = 0;
    page.dirtyTo = 0;
    this.#dirty.delete(page);
  }

  dirtyPages(): Page[] {
    return [...this.#dirty];
  }

  get dirtyBytes(): number {
    return this.#dirty.size * (this.pageBytes + pageOverheadBytes);
  }

  /** Forgets what lies in a range, changed or not: it is no table any more. */
  drop(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += this.pageBytes) {
      const page = this.#pages.get(at);
      if (page !== undefined) {
        this.markClean(page);
        this.forget(page);
      }
    }
  }

  /** Forgets everything; nothing may be dirty. */
  clear(): void {
    for (const page of [...this.#pages.values()]) {
      this.forget(page);
    }
  }

  /** Called by the budget, too. */
  forget(page: Page): void {
    this.#pages.delete(page.offset);
    this.#budget.remove(page);
  }

  #insert(page: Page): void {
    this.#pages.set(page.offset, page);
    this.#budget.add(page);
  }
}
