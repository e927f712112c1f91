import type { CreateLayer, FormatDriver, Layer, OpenLayer } from '../disk.ts';
import { createVhd } from './create.ts';
import { FixedLayer } from './fixed-layer.ts';
import { readMetadata } from './metadata.ts';
import { SparseLayer } from './sparse-layer.ts';

/** Virtual Hard Disk Image Format Specification 1.0: fixed, dynamic and differencing disks. */
export const vhdDriver: FormatDriver = {
  async open({ file }: OpenLayer): Promise<Layer> {
    const metadata = await readMetadata(file);
    return metadata.kind === 'fixed'
      ? new FixedLayer(file, metadata)
      : new SparseLayer(file, metadata, await file.size());
  },

  async create(options: CreateLayer): Promise<void> {
    await createVhd(options);
  },
};
