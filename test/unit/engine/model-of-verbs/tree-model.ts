/** A checkpoint as the model remembers it, with what its disk holds. */
export interface ModelPoint {
  parent: string | undefined;
  name: string;
  /** Kept by an apply or an undo, and not named since. */
  expires: boolean;
  content: Buffer;
}

/** What the verbs do to a tree, in the plainest way: each point has a copy of all its bytes. */
export class TreeModel {
  readonly points = new Map<string, ModelPoint>();
  parent: string | undefined;
  undo: string | undefined;
  readonly content: Buffer;

  constructor(content: Buffer) {
    this.content = Buffer.from(content);
  }

  write(content: Buffer, offset: number): void {
    content.copy(this.content, offset);
  }

  take(id: string, name: string): void {
    this.points.set(id, { parent: this.parent, name, expires: false, content: Buffer.from(this.content) });
    this.parent = id;
  }

  /** @param kept id of the checkpoint that Now became; undefined when Now was discarded */
  apply(id: string, kept: string | undefined): void {
    this.#keep(kept, `Before applying “${this.point(id).name}”`);
    this.point(id).content.copy(this.content);
    this.parent = id;
  }

  /** What hung by itself and would have expired is Now again; anything else stays a checkpoint. */
  goBack(kept: string): void {
    const target = this.undo ?? '';
    const { parent, expires, content } = this.point(target);
    const isNowAgain = expires && this.isLeaf(target);
    this.#keep(kept, 'Before undo');
    content.copy(this.content);
    this.parent = isNowAgain ? parent : target;
    if (isNowAgain) {
      this.points.delete(target);
    }
  }

  #keep(id: string | undefined, name: string): void {
    if (id !== undefined) {
      this.points.set(id, { parent: this.parent, name, expires: true, content: Buffer.from(this.content) });
    }
    this.undo = id;
  }

  delete(id: string): void {
    const { parent } = this.point(id);
    this.points.delete(id);
    for (const node of [this, ...this.points.values()]) {
      if (node.parent === id) {
        node.parent = parent;
      }
    }
    if (this.undo === id) {
      this.undo = undefined;
    }
  }

  rename(id: string, name: string): void {
    this.points.set(id, { ...this.point(id), name, expires: false });
  }

  isLeaf(id: string): boolean {
    return this.parent !== id && ![...this.points.values()].some((point) => point.parent === id);
  }

  point(id: string): ModelPoint {
    const found = this.points.get(id);
    if (found === undefined) {
      throw new Error(`The model has no checkpoint ${id}.`);
    }
    return found;
  }
}
