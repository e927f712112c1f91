import { formatSize } from '../model/size.ts';
import type { HiddenLayerInfo, NeedsLayer } from '../protocol/hidden-layers.ts';

const why: Readonly<Record<HiddenLayerInfo['why'], string>> = {
  several: 'several layers stand on it, and it merges away when at most one does',
  clone: 'a linked clone stands on it; it merges away when that clone is flattened or gone',
  running:
    'the machine runs on it; it merges away, while the machine runs, at the next delete for good, or at once with ckpt merge-layers',
  due: 'only one layer stands on it, so the next delete for good merges it away',
};

/** The layers of no checkpoint as lines; none when there are none, or that is not known. */
export function hiddenLayersText(layers: readonly HiddenLayerInfo[] = []): string[] {
  if (layers.length === 0) {
    return [];
  }
  const total = layers.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  return [
    `Hidden layers, which belong to no checkpoint any more: ${layers.length}, ${formatSize(total)}`,
    ...layers.flatMap((layer) => [
      `  ${layer.file}  ${formatSize(layer.allocatedBytes)}`,
      `    Needed by ${layer.neededBy.map(nameOf).join(', ')}: ${why[layer.why]}.`,
    ]),
  ];
}

function nameOf({ kind, name }: NeedsLayer): string {
  switch (kind) {
    case 'now':
      return 'Now';
    case 'checkpoint':
      return `“${name}”`;
    case 'trash':
      return `“${name}” in the trash`;
    case 'clone':
      return `the clone “${name}”`;
  }
}
