import type { LayerOfDisk } from './machine.ts';
import { hiddenLayers, type TreeLayer } from './layer-tree.ts';

/**
 * Why a hidden layer is still there. `several`: more than one layer stands on it; `clone`: a linked clone stands on it, or on
 * the one layer above it; `running`: a machine that runs has it open; `due`: nothing holds it, so that the next delete for
 * good merges it away.
 */
export type WhyHidden = 'several' | 'clone' | 'running' | 'due';

/** A point of a machine, with its layers. */
export interface LayerPoint {
  layers: LayerOfDisk;
}

/** A hidden layer, with the points whose disks need it. */
export interface ExplainedLayer<L extends TreeLayer, P extends LayerPoint> {
  layer: L;
  neededBy: P[];
  why: WhyHidden;
}

/**
 * Says of each hidden layer who needs it, and why it stays: in the terms of {@link planTidying}.
 * @param points all that name layers
 */
export function explainHidden<L extends TreeLayer, P extends LayerPoint>(
  layers: readonly L[],
  points: readonly P[],
): ExplainedLayer<L, P>[] {
  const hidden = new Set<TreeLayer>(hiddenLayers(layers));
  return layers
    .filter((layer) => hidden.has(layer))
    .map((layer) => ({
      layer,
      neededBy: points.filter((point) => standsOn(layers, point, layer)),
      why: whyItStays(layers, layer),
    }));
}

function whyItStays(layers: readonly TreeLayer[], { disk, layer, isBusy, isCloned }: TreeLayer): WhyHidden {
  const above = layers.filter((one) => one.disk === disk && one.parent === layer);
  const alone = above.length === 1 ? above[0] : undefined;
  if (isCloned || alone?.isCloned === true) {
    return 'clone';
  }
  if (above.length > 1) {
    return 'several';
  }
  return isBusy || alone?.isBusy === true ? 'running' : 'due';
}

function standsOn(layers: readonly TreeLayer[], point: LayerPoint, { disk, layer }: TreeLayer): boolean {
  let at = point.layers[disk];
  // A chain has no more steps than there are layers.
  for (let left = layers.length; at !== undefined && left > 0; left--) {
    if (at === layer) {
      return true;
    }
    const current: string = at;
    at = layers.find((one) => one.disk === disk && one.layer === current)?.parent;
  }
  return false;
}
