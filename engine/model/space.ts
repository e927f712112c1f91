import type { CheckpointSpace, FreedBytes, MachineSpace } from '../protocol/space.ts';

/** One file of the machine's disks. */
export interface StoredLayer {
  /** What names it, the same wherever it is named. */
  file: string;
  parent?: string;
  /** What it takes on its volume. */
  allocatedBytes: number;
  virtualSizeBytes: number;
}

/** Something that keeps files from going: Now, a checkpoint, one in the trash, or a linked clone. */
export interface LayerHolder {
  kind: 'now' | 'checkpoint' | 'trash' | 'clone';
  id: string;
  name: string;
  /** Top layer of each disk; the clone's is the layer of this machine that it grew from. */
  layers: readonly string[];
  /** Memory and other files of its own, none of which two holders share. */
  ownFileBytes: number;
}

/**
 * The layers of a machine and what holds them. Images outside its folder are no layers here: they are never written,
 * merged or deleted.
 */
export interface LayerTree {
  layers: readonly StoredLayer[];
  holders: readonly LayerHolder[];
}

/** Layers that become one file once what can merge has merged, from the bottom up: no holder names any but the last. */
export type MergeRun = readonly StoredLayer[];

/**
 * What deleting holders frees.
 *
 * Files that nothing else stands on go, whole. Layers that no holder names any more, and that just one layer needs,
 * merge with that one: then the merged file takes at least as much as the larger of them, and at most as much as all
 * together or as the disk is long; so what merging frees lies between, and only the merge decides.
 */
export function freedBy(tree: LayerTree, deleted: ReadonlySet<string>): FreedBytes {
  return new LayerUse(tree).freedBy(deleted);
}

/** The merges that deleting holders makes possible. */
export function mergesAfter(tree: LayerTree, deleted: ReadonlySet<string>): MergeRun[] {
  return new LayerUse(tree).newRuns(deleted);
}

/** Exclusive and shared bytes of everything. */
export function machineSpace(machine: string, tree: LayerTree): MachineSpace {
  const use = new LayerUse(tree);
  const of = (kind: LayerHolder['kind']): LayerHolder[] => tree.holders.filter((holder) => holder.kind === kind);
  const stored = sum(tree.layers.map(({ allocatedBytes }) => allocatedBytes));
  const own = sum(tree.holders.map(({ ownFileBytes }) => ownFileBytes));
  const soleBytes = use.soleBytes();
  const sole = (id: string): number => soleBytes.get(id) ?? 0;
  return {
    machine,
    totalBytes: stored + own,
    nowBytes: sum(of('now').map(({ id, ownFileBytes }) => sole(id) + ownFileBytes)),
    checkpoints: of('checkpoint').map((holder): CheckpointSpace => {
      const { id, name, ownFileBytes } = holder;
      return {
        id,
        name,
        exclusive: use.freedBy(new Set([id])),
        sharedBytes: sum(use.standsOn(holder).map(({ allocatedBytes }) => allocatedBytes)) - sole(id),
        memoryBytes: ownFileBytes,
      };
    }),
    allCheckpoints: use.freedBy(idsOf(of('checkpoint'))),
    trash: use.freedBy(idsOf(of('trash'))),
    unusedBytes: stored - use.usedBytes(),
  };
}

/**
 * What the checkpoints cost when only some of them are left: what deleting those too would free at most. In the form
 * that the rules of retention take.
 */
export function costOfCheckpoints(tree: LayerTree): (remaining: ReadonlySet<string>) => number {
  const use = new LayerUse(tree);
  const checkpoints = tree.holders.filter(({ kind }) => kind === 'checkpoint');
  const all = use.freedBy(idsOf(checkpoints)).mostBytes;
  return (remaining) => all - use.freedBy(idsOf(checkpoints.filter(({ id }) => !remaining.has(id)))).mostBytes;
}

/** A tree of layers, prepared for many questions of what would be if some holders were gone. */
export class LayerUse {
  readonly #tree: LayerTree;
  readonly #byFile: Map<string, StoredLayer>;
  readonly #parents: Map<StoredLayer, StoredLayer | undefined>;
  readonly #needed: Set<StoredLayer>;
  /** The runs that there are with all holders: top by bottom. */
  readonly #runs: Map<StoredLayer | undefined, StoredLayer | undefined>;

  constructor(tree: LayerTree) {
    this.#tree = tree;
    this.#byFile = new Map(tree.layers.map((layer) => [layer.file, layer]));
    this.#parents = new Map(tree.layers.map((layer) => [layer, this.#byFile.get(layer.parent ?? '')]));
    this.#needed = this.#chainsOf(tree.holders);
    this.#runs = new Map(this.#runsOf(tree.holders, this.#needed).map((run) => [run[0], run.at(-1)]));
  }

  /** As {@link freedBy}. */
  freedBy(deleted: ReadonlySet<string>): FreedBytes {
    const left = this.#tree.holders.filter(({ id }) => !deleted.has(id));
    const needed = this.#chainsOf(left);
    let gone = 0;
    for (const layer of this.#needed) {
      gone += needed.has(layer) ? 0 : layer.allocatedBytes;
    }
    for (const { id, ownFileBytes } of this.#tree.holders) {
      gone += deleted.has(id) ? ownFileBytes : 0;
    }
    const freed = { leastBytes: gone, mostBytes: gone };
    for (const run of this.#newRunsOf(left, needed)) {
      const together = sum(run.map(({ allocatedBytes }) => allocatedBytes));
      const largest = Math.max(...run.map(({ allocatedBytes }) => allocatedBytes));
      const longest = Math.max(...run.map(({ virtualSizeBytes }) => virtualSizeBytes));
      freed.leastBytes += Math.max(0, together - Math.max(largest, longest));
      freed.mostBytes += together - largest;
    }
    return freed;
  }

  /** As {@link mergesAfter}. */
  newRuns(deleted: ReadonlySet<string>): MergeRun[] {
    const left = this.#tree.holders.filter(({ id }) => !deleted.has(id));
    return this.#newRunsOf(left, this.#chainsOf(left));
  }

  /** Every layer that a holder needs. */
  standsOn(holder: LayerHolder): StoredLayer[] {
    return [...this.#chainsOf([holder])];
  }

  usedBytes(): number {
    return sum([...this.#needed].map(({ allocatedBytes }) => allocatedBytes));
  }

  /** By holder: bytes of the layers that only it stands on. */
  soleBytes(): Map<string, number> {
    const soleHolder = new Map<StoredLayer, string | undefined>();
    for (const holder of this.#tree.holders) {
      for (const layer of this.standsOn(holder)) {
        soleHolder.set(layer, soleHolder.has(layer) ? undefined : holder.id);
      }
    }
    const bytes = new Map<string, number>();
    for (const [layer, id] of soleHolder) {
      if (id !== undefined) {
        bytes.set(id, (bytes.get(id) ?? 0) + layer.allocatedBytes);
      }
    }
    return bytes;
  }

  #newRunsOf(left: readonly LayerHolder[], needed: ReadonlySet<StoredLayer>): MergeRun[] {
    // A chain has one way from its bottom to its top, so these two tell a run.
    return this.#runsOf(left, needed).filter((run) => run.length > 1 && this.#runs.get(run[0]) !== run.at(-1));
  }

  /** All layers that are needed, each in one run. */
  #runsOf(holders: readonly LayerHolder[], needed: ReadonlySet<StoredLayer>): MergeRun[] {
    const child = new Map<StoredLayer, StoredLayer | 'several' | 'named'>();
    for (const layer of needed) {
      const parent = this.#parents.get(layer);
      if (parent !== undefined) {
        child.set(parent, child.has(parent) ? 'several' : layer);
      }
    }
    for (const layer of holders.flatMap((holder) => holder.layers).map((file) => this.#byFile.get(file))) {
      if (layer !== undefined) {
        child.set(layer, 'named');
      }
    }
    // What a linked clone stands on stays byte for byte as it is, down to the bottom.
    for (const layer of this.#chainsOf(holders.filter(({ kind }) => kind === 'clone'))) {
      child.set(layer, 'named');
    }
    const soleChild = (layer: StoredLayer): StoredLayer | undefined => {
      const found = child.get(layer);
      return found === 'several' || found === 'named' ? undefined : found;
    };
    const upper = new Set([...needed].map(soleChild));
    return [...needed]
      .filter((layer) => !upper.has(layer))
      .map((bottom) => {
        const run = [bottom];
        for (let next = soleChild(bottom); next !== undefined; next = soleChild(next)) {
          run.push(next);
        }
        return run;
      });
  }

  /** The top layers and all below them. A layer that is missing ends its chain. */
  #chainsOf(holders: readonly LayerHolder[]): Set<StoredLayer> {
    const found = new Set<StoredLayer>();
    for (const { layers } of holders) {
      for (const top of layers) {
        for (let at = this.#byFile.get(top); at !== undefined && !found.has(at); at = this.#parents.get(at)) {
          found.add(at);
        }
      }
    }
    return found;
  }
}

function idsOf(holders: readonly LayerHolder[]): Set<string> {
  return new Set(holders.map(({ id }) => id));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
