import { damagedField } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import type { SectorUpdate } from './log-writer.ts';
import { logSectorBytes } from './structures.ts';
import type { SyncedFile } from './synced-file.ts';

/** A page holds 8192 BAT entries, or the sector bitmap of at least one payload block. */
export const pageBytes = 64 * 1024;
const sectorsPerPage = pageBytes / logSectorBytes;
/** 16 MiB of clean pages at most; changed ones are written out long before they are as many. */
const mostPages = 256;

/** A piece of the block allocation table, of a sector bitmap block or of the metadata region. */
export interface Page {
  /** In the file, a multiple of {@link pageBytes}. */
  readonly fileOffset: number;
  readonly bytes: Buffer;
  /** Nothing but zeros when it was read, and unchanged since: a scan may skip it. */
  isZero: boolean;
  /** Log sectors that were changed and not yet logged, one bit each. */
  dirty: number;
  /** Log sectors that are being logged, and must stay here until they are in their place. */
  committing: number;
  wasUsed: boolean;
}

/** A snapshot of changed sectors on their way through the log. */
export interface Commit {
  updates: SectorUpdate[];
  pages: Map<Page, number>;
}

/** Metadata of a file in bounded memory: pages are read when needed, and changed only here until the log has them. */
export class MetadataPages {
  readonly #file: SyncedFile;
  readonly #pages = new Map<number, Page>();
  readonly #loading = new Map<number, Promise<Page>>();
  #dirtySectors = 0;

  constructor(file: SyncedFile) {
    this.#file = file;
  }

  /** Log sectors that the next commit will have. */
  get dirtySectors(): number {
    return this.#dirtySectors;
  }

  /** The page that holds an offset in the file, if it is in memory. */
  peek(fileOffset: number): Page | undefined {
    const page = this.#pages.get(fileOffset - (fileOffset % pageBytes));
    if (page !== undefined) {
      page.wasUsed = true;
    }
    return page;
  }

  /** The page that holds an offset in the file. @throws ImageDamaged beyond the end of the file */
  async load(fileOffset: number, field: string): Promise<Page> {
    const found = this.peek(fileOffset);
    if (found !== undefined) {
      return found;
    }
    const start = fileOffset - (fileOffset % pageBytes);
    const underWay = this.#loading.get(start);
    if (underWay !== undefined) {
      return underWay;
    }
    const loading = this.#read(start, field).finally(() => this.#loading.delete(start));
    this.#loading.set(start, loading);
    return loading;
  }

  /** Drops what is known of a range that has become something else. */
  forget(fileOffset: number, length: number): void {
    for (const [start, page] of this.#pages) {
      if (start >= fileOffset && start < fileOffset + length) {
        this.#dirtySectors -= countBits(page.dirty);
        page.dirty = 0;
        this.#pages.delete(start);
      }
    }
  }

  /** Says that bytes of a page have been changed, by offset in the page. */
  markDirty(page: Page, at: number, length: number): void {
    const present = this.#pages.get(page.fileOffset);
    if (present !== undefined && present !== page) {
      throw new Error(`The page at ${page.fileOffset} was kept across a wait, and changed after it had been dropped`);
    }
    page.isZero = false;
    const last = Math.floor((at + length - 1) / logSectorBytes);
    for (let sector = Math.floor(at / logSectorBytes); sector <= last; sector++) {
      const bit = 1 << sector;
      if ((page.dirty & bit) === 0) {
        page.dirty |= bit;
        this.#dirtySectors++;
      }
    }
    // It may have been evicted between its reading and its change.
    this.#pages.set(page.fileOffset, page);
  }

  /** Changes a range of metadata in memory; sectors that stay as they are do not count as changed. */
  async overwrite(fileOffset: number, content: Buffer, field: string): Promise<void> {
    for (let at = 0; at < content.length;) {
      const inPage = (fileOffset + at) % pageBytes;
      const length = Math.min(logSectorBytes - (inPage % logSectorBytes), content.length - at);
      const page = this.peek(fileOffset + at) ?? (await this.load(fileOffset + at, field));
      if (content.compare(page.bytes, inPage, inPage + length, at, at + length) !== 0) {
        content.copy(page.bytes, inPage, at, at + length);
        this.markDirty(page, inPage, length);
      }
      at += length;
    }
  }

  /**
   * Takes all changed sectors as they are now. Pages that others rely on come after those that they rely on: what lies
   * in `early` first, then from the end of the file to its start (a chunk's bitmap entry lies behind its payload entries).
   */
  takeDirty(isEarly: (fileOffset: number) => boolean): Commit {
    const commit: Commit = { updates: [], pages: new Map() };
    if (this.#dirtySectors === 0) {
      return commit;
    }
    for (const page of this.#pages.values()) {
      if (page.dirty !== 0) {
        for (let sector = 0; sector < sectorsPerPage; sector++) {
          if ((page.dirty & (1 << sector)) !== 0) {
            const at = sector * logSectorBytes;
            const content = Buffer.from(page.bytes.subarray(at, at + logSectorBytes));
            commit.updates.push({ fileOffset: page.fileOffset + at, content });
          }
        }
        commit.pages.set(page, page.dirty);
        page.committing |= page.dirty;
        page.dirty = 0;
      }
    }
    this.#dirtySectors = 0;
    const rank = (update: SectorUpdate): number => (isEarly(update.fileOffset) ? 0 : 1);
    commit.updates.sort((one, other) => rank(one) - rank(other) || other.fileOffset - one.fileOffset);
    return commit;
  }

  /** The sectors of a commit are in their place, or, when it failed, are to be logged again. */
  finish(commit: Commit, isDone: boolean): void {
    for (const [page, sectors] of commit.pages) {
      page.committing &= ~sectors;
      if (!isDone) {
        const again = sectors & ~page.dirty;
        page.dirty |= again;
        this.#dirtySectors += countBits(again);
      }
    }
  }

  async #read(start: number, field: string): Promise<Page> {
    const bytes = Buffer.allocUnsafeSlow(pageBytes);
    if ((await this.#file.read(bytes, start)) < pageBytes) {
      throw damagedField(this.#file.path, field, `byte ${start} lies beyond the end of the file`);
    }
    const page = { fileOffset: start, bytes, isZero: isZero(bytes), dirty: 0, committing: 0, wasUsed: true };
    this.#evict();
    this.#pages.set(start, page);
    return page;
  }

  /** Makes room by the clock method: what was used since the last round stays for another one. */
  #evict(): void {
    let rounds = 2 * this.#pages.size;
    for (const [start, page] of this.#pages) {
      if (this.#pages.size < mostPages || rounds-- === 0) {
        return;
      }
      this.#pages.delete(start);
      if (page.wasUsed || page.dirty !== 0 || page.committing !== 0) {
        page.wasUsed = false;
        this.#pages.set(start, page);
      }
    }
  }
}

function countBits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) {
    count++;
  }
  return count;
}
