import type { Layer } from '../disk.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { ContentEraser } from './content-eraser.ts';
import type { ContentReader } from './content-reader.ts';
import type { ContentWriter } from './content-writer.ts';
import type { ImageFile } from './image-file.ts';
import type { Refcounts } from './refcounts.ts';

/** A qcow2 layer with the parts that it is made of, for what rearranges them. */
export interface LayerParts extends Layer {
  readonly image: ImageFile;
  readonly map: ClusterMap;
  readonly refcounts: Refcounts;
  readonly reader: ContentReader;
  readonly writer: ContentWriter;
  readonly eraser: ContentEraser;
}
