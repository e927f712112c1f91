import type { Disk, Extent, Fault, Layer, LongCall, ParentDifference, ParentReference } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { requireInside, requireWritable } from '../guest-range.ts';
import { checkSparse } from './check-sparse.ts';
import { compactSparse } from './compact.ts';
import { footerDetails, sectorBytes, uniqueIdText, vhdIdentity, type Problem } from './footer.ts';
import type { SparseMetadata } from './metadata.ts';
import { ParentContent } from './parent-content.ts';
import { parentPaths, unicodeNameText } from './parent-locator.ts';
import { mendFooters } from './replace-metadata.ts';
import { resizeSparse } from './resize-sparse.ts';
import { leaveParent, replaceParent } from './set-parent.ts';
import { sparseExtents } from './sparse-extents.ts';
import { SparseImage } from './sparse-image.ts';
import { readSparse } from './sparse-read.ts';
import { SparseWriter } from './sparse-write.ts';
import { Turns } from './turns.ts';

/** A dynamic or differencing VHD. */
export class SparseLayer implements Layer {
  readonly format = 'vhd';
  readonly logicalSectorBytes = sectorBytes;
  readonly file: DiskFile;
  readonly #image: SparseImage;
  readonly #locatorProblems: readonly Problem[];
  readonly #below: ParentContent;
  readonly #writer: SparseWriter;
  readonly #turns = new Turns();

  constructor(file: DiskFile, metadata: SparseMetadata, fileBytes: number) {
    this.file = file;
    this.#locatorProblems = metadata.locatorProblems;
    this.#image = new SparseImage(file, metadata, fileBytes);
    this.#below = new ParentContent(file.path, this.#image.isDifferencing);
    this.#writer = new SparseWriter(this.#image, this.#below);
  }

  get isReadOnly(): boolean {
    return this.file.isReadOnly;
  }

  get virtualSizeBytes(): number {
    return this.#image.diskBytes;
  }

  get parentReference(): ParentReference | undefined {
    const { isDifferencing, locators, header } = this.#image;
    return isDifferencing
      ? { paths: parentPaths(locators, unicodeNameText(header.values.parentUnicodeName)), format: 'vhd' }
      : undefined;
  }

  get identity(): Readonly<Record<string, string>> {
    const { isDifferencing, footer, header } = this.#image;
    return {
      ...vhdIdentity(footer),
      ...(isDifferencing ? { parent_unique_id: uniqueIdText(header.values.parentUniqueId) } : {}),
    };
  }

  get details(): Readonly<Record<string, string | number | boolean>> {
    const { footer, header, layout, isDifferencing, locators } = this.#image;
    return {
      ...footerDetails(footer),
      block_size: layout.blockSize,
      max_table_entries: layout.maxTableEntries,
      ...(isDifferencing
        ? {
            parent_unicode_name: unicodeNameText(header.values.parentUnicodeName),
            parent_time_stamp: header.values.parentTimeStamp,
            ...Object.fromEntries(locators.map(({ platformCode, text }) => [`parent_locator_${platformCode}`, text])),
          }
        : {}),
    };
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    await this.#turns.together(() => readSparse(this.#image, this.#below, buffer, offset));
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    this.#requireWritableRange(offset, buffer.length);
    await this.#turns.together(() => this.#writer.write(buffer, offset));
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#requireWritableRange(offset, length);
    await this.#turns.together(() => this.#writer.zero(offset, length));
  }

  discard(offset: number, length: number): Promise<void> {
    return this.zero(offset, length);
  }

  async flush(): Promise<void> {
    if (!this.isReadOnly) {
      await this.#turns.together(() => this.#image.commit());
    }
  }

  async *extents(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    requireInside(this, this.file.path, offset, length);
    yield* sparseExtents(this.#image, offset, length, signal);
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#turns.alone(() => this.file.close());
    }
  }

  compareParent(parent: Layer): ParentDifference[] {
    const expected = uniqueIdText(this.#image.header.values.parentUniqueId);
    const found = parent.identity['unique_id'] ?? `none (${parent.format})`;
    // The time stamp only advises, and Windows leaves it 0.
    return parent.format === 'vhd' && found === expected ? [] : [{ field: 'parent_unique_id', expected, found }];
  }

  attachParent(parent: Disk): void {
    this.#below.attach(parent);
  }

  async setParent(parent: { layer: Layer; relativePath: string } | undefined): Promise<void> {
    requireWritable(this, this.file.path);
    await this.#turns.alone(async () => {
      await this.#image.commit();
      await mendFooters(this.#image);
      if (parent === undefined) {
        await leaveParent(this.#image);
        this.#below.detach();
        return;
      }
      await replaceParent(this.#image, parent);
    });
  }

  async expectParentChange(): Promise<void> {
    // A VHD keeps its unique id whatever is written to it.
  }

  async check(options: LongCall & { repair: boolean }): Promise<Fault[]> {
    if (options.repair) {
      requireWritable(this, this.file.path);
    }
    return this.#turns.alone(async () => {
      if (!this.isReadOnly) {
        await this.#image.commit();
      }
      return checkSparse(this.#image, this.#locatorProblems, options);
    });
  }

  async compact(call: LongCall): Promise<number> {
    requireWritable(this, this.file.path);
    return this.#turns.alone(async () => {
      await this.#image.commit();
      await mendFooters(this.#image);
      return compactSparse(this.#image, call);
    });
  }

  async resize(virtualSizeBytes: number, call: LongCall): Promise<void> {
    requireWritable(this, this.file.path);
    await this.#turns.alone(async () => {
      await this.#image.commit();
      await mendFooters(this.#image);
      await resizeSparse(this.#image, this.#below, this.#writer, virtualSizeBytes, call);
    });
  }

  #requireWritableRange(offset: number, length: number): void {
    requireInside(this, this.file.path, offset, length);
    requireWritable(this, this.file.path);
  }
}
