/** A checkpoint as the model remembers it, with what its disk holds. */
export interface ModelPoint {
  parent: string | undefined;
  name: string;
  /** Kept by an apply, an undo or a redo, and not wanted by a person since. */
  expires: boolean;
  pinned: boolean;
  group: string | undefined;
  content: Buffer;
  /** The points on whose layers its own stand, itself included. */
  lineage: readonly string[];
  /** What Now could be undone and redone to when it was kept. */
  undo: string | undefined;
  redo: string | undefined;
}

/** A machine that was made of a point. */
interface ModelClone {
  content: Buffer;
  /** The point that it stands on; undefined once it stands alone. */
  standsOn: string | undefined;
}

/** What the verbs do to a tree, in the plainest way: each point has a copy of all its bytes. */
export class TreeModel {
  readonly points = new Map<string, ModelPoint>();
  readonly trash = new Map<string, ModelPoint>();
  readonly clones = new Map<string, ModelClone>();
  parent: string | undefined;
  lineage: readonly string[] = [];
  readonly content: Buffer;
  #undo: string | undefined;
  #redo: string | undefined;

  constructor(content: Buffer) {
    this.content = Buffer.from(content);
  }

  copy(): TreeModel {
    const copy = new TreeModel(this.content);
    this.points.forEach((point, id) => copy.points.set(id, { ...point }));
    this.trash.forEach((point, id) => copy.trash.set(id, { ...point }));
    this.clones.forEach((clone, name) => copy.clones.set(name, { ...clone }));
    copy.parent = this.parent;
    copy.lineage = this.lineage;
    copy.#undo = this.#undo;
    copy.#redo = this.#redo;
    return copy;
  }

  get undo(): string | undefined {
    return this.#undo !== undefined && this.points.has(this.#undo) ? this.#undo : undefined;
  }

  get redo(): string | undefined {
    return this.#redo !== undefined && this.points.has(this.#redo) ? this.#redo : undefined;
  }

  write(content: Buffer, offset: number): void {
    content.copy(this.content, offset);
  }

  take(id: string, name: string, group?: string): void {
    this.#add(id, name, false);
    this.point(id).group = group;
    this.parent = id;
    this.lineage = this.point(id).lineage;
    this.#redo = undefined;
  }

  /** @param kept id of the checkpoint that Now became; undefined when Now was discarded */
  apply(id: string, kept: string | undefined): void {
    const target = this.point(id);
    this.#keep(kept, `Before applying “${target.name}”`);
    this.#become(target);
    this.parent = id;
    this.#undo = kept;
    this.#redo = undefined;
  }

  /** What hung by itself and would have expired is Now again; anything else stays a checkpoint. */
  step(way: 'undo' | 'redo', kept: string): void {
    const id = (way === 'undo' ? this.undo : this.redo) ?? '';
    const target = this.point(id);
    const isCloned = [...this.clones.values()].some(({ standsOn }) => standsOn === id);
    const isNowAgain = target.expires && this.isLeaf(id) && !isCloned;
    this.#keep(kept, `Before ${way}`);
    this.#become(target);
    this.parent = isNowAgain ? target.parent : id;
    if (isNowAgain) {
      this.points.delete(id);
      this.lineage = target.lineage.filter((one) => one !== id);
    }
    this.#undo = way === 'undo' ? target.undo : kept;
    this.#redo = way === 'undo' ? kept : target.redo;
  }

  #become(target: ModelPoint): void {
    target.content.copy(this.content);
    this.lineage = target.lineage;
  }

  #keep(id: string | undefined, name: string): void {
    if (id !== undefined) {
      this.#add(id, name, true);
    }
  }

  #add(id: string, name: string, expires: boolean): void {
    this.points.set(id, {
      parent: this.parent,
      name,
      expires,
      pinned: false,
      group: undefined,
      content: Buffer.from(this.content),
      lineage: [...this.lineage, id],
      undo: expires ? this.#undo : undefined,
      redo: expires ? this.#redo : undefined,
    });
  }

  /** A point and all that hangs from it, from the top down. */
  subtree(top: string): string[] {
    const found = [top];
    for (const id of found) {
      found.push(...[...this.points].filter(([, { parent }]) => parent === id).map(([child]) => child));
    }
    return found;
  }

  delete(ids: readonly string[]): void {
    for (const id of ids) {
      this.trash.set(id, { ...this.point(id) });
    }
    for (const node of [this, ...this.points.values()]) {
      while (node.parent !== undefined && ids.includes(node.parent)) {
        node.parent = this.point(node.parent).parent;
      }
    }
    ids.forEach((id) => this.points.delete(id));
  }

  restore(id: string): void {
    const trashed = this.trash.get(id);
    if (trashed === undefined) {
      throw new Error(`The trash of the model has no ${id}.`);
    }
    const parent = trashed.lineage.findLast((one) => one !== id && this.points.has(one));
    for (const node of [this, ...this.points.values()]) {
      if (node.parent === parent && node.lineage.includes(id)) {
        node.parent = id;
      }
    }
    this.trash.delete(id);
    this.points.set(id, { ...trashed, parent, expires: false });
  }

  /** For good. */
  purge(ids: readonly string[]): void {
    this.delete(ids);
    ids.forEach((id) => this.trash.delete(id));
  }

  pin(id: string, pinned: boolean): void {
    const { expires } = this.point(id);
    this.points.set(id, { ...this.point(id), pinned, expires: expires && !pinned });
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
