import { stat } from 'node:fs/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFormat } from '../../model/machine.ts';
import type { WriteRehearsal } from '../disk-file.ts';
import type { OpenChain } from '../chain-of-layers.ts';
import { openChain, openLayer, type OpenImage } from '../open-chain.ts';
import { verifyParent } from '../parent-check.ts';
import { relativePath } from '../relative-path.ts';

export interface RebaseOptions extends OpenImage {
  parent: string;
  /** What the caller says the parent is; the only way to name a raw one. */
  parentFormat?: DiskFormat;
  /** Takes a parent that is not the one that the layer was made on: the caller knows that it holds the same. */
  acceptMismatch?: boolean;
  rehearsal?: WriteRehearsal;
}

/**
 * Corrects where a layer says that its parent is. No content is read or written.
 * @throws ParentMismatch unless the parent is the right one, and what {@link openChain} throws for it
 */
export async function rebase(image: string, options: RebaseOptions): Promise<void> {
  const { parent, parentFormat, acceptMismatch, rehearsal, ...common } = options;
  const layer = await openLayer(image, rehearsal ?? 'write', common);
  try {
    const { format: _, ...chainOptions } = common;
    const chain = await openChain(parent, {
      ...chainOptions,
      ...(parentFormat === undefined ? {} : { format: parentFormat }),
    });
    try {
      await refuseCycle(layer.file.path, chain);
      if (layer.parentReference === undefined) {
        throw standsAlone(layer.file.path);
      }
      if (acceptMismatch !== true) {
        verifyParent(layer, chain.top);
      }
      await layer.setParent({
        layer: chain.top,
        relativePath: await relativePath(layer.file.path, chain.top.file.path),
      });
    } finally {
      await chain.close();
    }
  } finally {
    await layer.close();
  }
}

async function refuseCycle(image: string, parents: OpenChain): Promise<void> {
  // By the file itself: a link has another name, and the name that is written is the one that the link leads to.
  const own = await stat(image, { bigint: true });
  const others = await Promise.all(parents.layers.map((layer) => stat(layer.file.path, { bigint: true })));
  if (others.some(({ dev, ino }) => dev === own.dev && ino === own.ino)) {
    throw new CheckpointError('InvalidArgument', `The disk ${image} cannot be its own ancestor.`, { path: image });
  }
}

function standsAlone(image: string): CheckpointError {
  return new CheckpointError(
    'InvalidArgument',
    `The disk ${image} has no parent: it stands alone. A new layer on a parent is made with: ckpt disk create --parent FILE.`,
    { path: image },
  );
}
