import { inflate, type ZlibOptions } from 'node:zlib';
import type { DiskFile } from '../disk-file.ts';
import { damagedField, readField } from '../structure.ts';
import { readExactly } from './exact-read.ts';
import type { SparseGeometry } from './sparse-header.ts';
import { grainMarkerBytes, marker, sectorBytes } from './structures.ts';

/** Content that was read last; small reads come back to the same grain. */
const keptBytes = 4 * 1024 * 1024;
/** A grain that does not compress grows by a little (RFC 1951 3.2.4). */
const slackBytes = 1024;

/** A compressed grain: where its marker lies in the file, and which part of the extent it is. */
export interface CompressedGrain {
  fileOffset: number;
  /** Byte of the extent at which it begins. */
  extentOffset: number;
  /** Bytes of the extent that it covers: a whole grain, or less at the end. */
  length: number;
}

/** "Compressed Grains": each is a zlib stream (RFC 1950) behind a marker that says where it belongs. */
export class CompressedGrains {
  readonly #file: DiskFile;
  readonly #geometry: SparseGeometry;
  readonly #fileBytes: number;
  readonly #kept = new Map<number, Buffer>();
  readonly #mostKept: number;
  readonly #loading = new Map<number, Promise<Buffer>>();

  constructor(file: DiskFile, geometry: SparseGeometry, fileBytes: number) {
    this.#file = file;
    this.#geometry = geometry;
    this.#fileBytes = fileBytes;
    this.#mostKept = Math.max(1, Math.floor(keptBytes / geometry.grainBytes));
  }

  /** The content of a grain. Not to be changed: others may hold it too. @throws ImageDamaged */
  async content(grain: CompressedGrain): Promise<Buffer> {
    const kept = this.#kept.get(grain.fileOffset);
    if (kept !== undefined) {
      return kept;
    }
    let loading = this.#loading.get(grain.fileOffset);
    if (loading === undefined) {
      loading = this.#load(grain).finally(() => this.#loading.delete(grain.fileOffset));
      this.#loading.set(grain.fileOffset, loading);
    }
    return loading;
  }

  async #load(grain: CompressedGrain): Promise<Buffer> {
    const { hasMarkers, grainBytes } = this.#geometry;
    const field = `grain at byte ${grain.extentOffset}`;
    const longest = Math.min(grainBytes + slackBytes + sectorBytes, this.#fileBytes - grain.fileOffset);
    const stored = Buffer.allocUnsafe(longest);
    await readExactly(this.#file, stored, grain.fileOffset, field);
    let compressed = stored;
    if (hasMarkers) {
      const size = this.#requireMarker(stored, grain, field);
      compressed = stored.subarray(grainMarkerBytes, grainMarkerBytes + size);
    }
    let content: Buffer;
    try {
      content = await inflated(compressed, { maxOutputLength: grainBytes, chunkSize: grainBytes });
    } catch (error) {
      throw damagedField(this.#file.path, field, error instanceof Error ? error.message : String(error));
    }
    if (content.length < grain.length) {
      throw damagedField(this.#file.path, field, `it has ${content.length} bytes, and ${grain.length} are needed`);
    }
    this.#kept.set(grain.fileOffset, content);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#mostKept) {
        break;
      }
      this.#kept.delete(oldest);
    }
    return content;
  }

  /** @returns bytes of compressed data */
  #requireMarker(stored: Buffer, grain: CompressedGrain, field: string): number {
    const { path } = this.#file;
    if (stored.length < grainMarkerBytes) {
      throw damagedField(path, field, 'the file ends inside its marker');
    }
    const size = readField(stored, marker.size);
    if (size === 0 || size > stored.length - grainMarkerBytes) {
      throw damagedField(path, field, `its marker says ${size} bytes`);
    }
    // QEMU writes the sector that was written first, which may lie inside the grain.
    const lba = readField(stored, marker.value);
    const first = BigInt(grain.extentOffset / sectorBytes);
    if (lba < first || lba >= first + BigInt(this.#geometry.grainBytes / sectorBytes)) {
      throw damagedField(path, field, `its marker says that it belongs to sector ${lba}`);
    }
    return size;
  }
}

function inflated(data: Buffer, options: ZlibOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    inflate(data, options, (error, content) => {
      if (error === null) {
        resolve(content);
      } else {
        reject(error);
      }
    });
  });
}
