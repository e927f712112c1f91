import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk } from '../disk.ts';

/** What lies below a layer: its parent's content, with zeros behind the parent's end; nothing but zeros without one. */
export class ParentContent {
  readonly #path: string;
  #isNeeded: boolean;
  #parent: Disk | undefined;

  /** @param isNeeded true for a differencing disk: without its parent it cannot be read */
  constructor(path: string, isNeeded: boolean) {
    this.#path = path;
    this.#isNeeded = isNeeded;
  }

  attach(parent: Disk): void {
    this.#parent = parent;
  }

  /** From now on there is nothing but zeros. */
  detach(): void {
    this.#parent = undefined;
    this.#isNeeded = false;
  }

  /** Bytes; behind them there are zeros. */
  get sizeBytes(): number {
    return this.#required()?.virtualSizeBytes ?? 0;
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    const parent = this.#required();
    const inside = Math.max(0, Math.min(buffer.length, (parent?.virtualSizeBytes ?? 0) - offset));
    if (parent !== undefined && inside > 0) {
      await parent.read(inside === buffer.length ? buffer : buffer.subarray(0, inside), offset);
    }
    if (inside < buffer.length) {
      buffer.fill(0, inside);
    }
  }

  /** Whether the parent itself says that a range is zero. False where only its own parents could tell. */
  async isKnownZero(offset: number, length: number): Promise<boolean> {
    const parent = this.#required();
    const inside = Math.min(length, (parent?.virtualSizeBytes ?? 0) - offset);
    if (parent === undefined || inside <= 0) {
      return true;
    }
    for await (const extent of parent.extents(offset, inside)) {
      if (extent.state !== 'zero') {
        return false;
      }
    }
    return true;
  }

  #required(): Disk | undefined {
    if (this.#parent === undefined && this.#isNeeded) {
      throw new CheckpointError(
        'ParentMismatch',
        `The disk ${this.#path} holds only what differs from its parent, and is open without it. Open the whole chain.`,
        { path: this.#path, field: 'parent_unique_id' },
      );
    }
    return this.#parent;
  }
}
