import { withParent } from './tree.ts';

/** One file of a disk's chains, as far as the rules of the tree care. */
export interface TreeLayer {
  disk: string;
  layer: string;
  /** The layer below, of the same machine; absent at the bottom. */
  parent?: string;
  /** Now, a checkpoint, the trash or a linked clone names it, or it is the machine's own base. */
  isNamed: boolean;
  /** A running machine has it open. */
  isBusy: boolean;
  /** A linked clone stands on it: its file stays byte for byte the same. */
  isCloned: boolean;
}

/** One way to be rid of a hidden layer. */
export type TidyStep =
  | { kind: 'remove'; disk: string; layer: string }
  /** `lower` is hidden, and `upper` the only one that stands on it. */
  | { kind: 'merge'; disk: string; lower: string; upper: string };

/** Layers that no checkpoint and not Now names, but that something stands on. */
export function hiddenLayers(layers: readonly TreeLayer[]): TreeLayer[] {
  return layers.filter(({ isNamed }) => !isNamed);
}

/**
 * What makes hidden layers go: those that nothing stands on are removed, those that one layer stands on are merged with it.
 * Layers that several need stay, and so does what a running machine has open or a clone stands on. A layer takes part in one step only: plan
 * again when the steps are done.
 */
export function planTidying(layers: readonly TreeLayer[]): TidyStep[] {
  const steps: TidyStep[] = [];
  const taken = new Set<string>();
  const key = ({ disk }: TreeLayer, layer: string): string => `${disk}\0${layer}`;
  for (const lower of hiddenLayers(layers)) {
    const above = layers.filter(({ disk, parent }) => disk === lower.disk && parent === lower.layer);
    const [upper] = above;
    if (lower.isBusy || lower.isCloned || taken.has(key(lower, lower.layer))) {
      continue;
    }
    if (upper === undefined) {
      steps.push({ kind: 'remove', disk: lower.disk, layer: lower.layer });
      taken.add(key(lower, lower.layer));
    } else if (above.length === 1 && !upper.isBusy && !upper.isCloned && !taken.has(key(upper, upper.layer))) {
      steps.push({ kind: 'merge', disk: lower.disk, lower: lower.layer, upper: upper.layer });
      taken.add(key(lower, lower.layer)).add(key(upper, upper.layer));
    }
  }
  return steps;
}

/**
 * The merges that only a running machine itself can do, as it has both layers open: of hidden layers that one other stands on.
 * One at a time: plan again when it is done.
 */
export function planRunningMerges(layers: readonly TreeLayer[]): Extract<TidyStep, { kind: 'merge' }>[] {
  return hiddenLayers(layers).flatMap((lower) => {
    const above = layers.filter(({ disk, parent }) => disk === lower.disk && parent === lower.layer);
    const [upper] = above;
    return upper === undefined || above.length > 1 || !lower.isBusy || !upper.isBusy || lower.isCloned || upper.isCloned
      ? []
      : [{ kind: 'merge' as const, disk: lower.disk, lower: lower.layer, upper: upper.layer }];
  });
}

/** The layers after a merge that {@link planTidying} asked for; `to` stands for both from then on. */
export function afterMerge<L extends TreeLayer>(
  layers: readonly L[],
  { disk, lower, upper }: Pick<Extract<TidyStep, { kind: 'merge' }>, 'disk' | 'lower' | 'upper'>,
  to: string,
): L[] {
  const below = layers.find((one) => one.disk === disk && one.layer === lower)?.parent;
  return layers.flatMap((one): L[] => {
    if (one.disk !== disk) {
      return [one];
    }
    if (one.layer === lower) {
      return [];
    }
    if (one.layer === upper) {
      return [withParent({ ...one, layer: to }, below)];
    }
    return [one.parent === upper ? { ...one, parent: to } : one];
  });
}
