import { extensionType, findExtension } from './header-extensions.ts';
import { autoclear, compatible, incompatible, type Qcow2Header } from './header.ts';

/** A qcow2 image has no id: its children know it by name and format alone. */
export function layerIdentity(header: Qcow2Header): Record<string, string> {
  return {
    ...(header.backingFile === undefined ? {} : { 'backing file name': header.backingFile }),
    ...(header.backingFormat === undefined ? {} : { 'backing file format': header.backingFormat }),
  };
}

/** Facts for `info`, by the specification's names. */
export function layerDetails(header: Qcow2Header): Record<string, string | number | boolean> {
  const dataFile = findExtension(header.extensions, extensionType.externalDataFile)?.content.toString('utf8');
  return {
    version: header.version,
    cluster_size: header.clusterSize,
    refcount_bits: 2 ** header.refcountOrder,
    compression_type: header.compressionType,
    lazy_refcounts: (header.compatibleFeatures & compatible.lazyRefcounts) !== 0n,
    dirty: (header.incompatibleFeatures & incompatible.dirty) !== 0n,
    corrupt: (header.incompatibleFeatures & incompatible.corrupt) !== 0n,
    extended_l2: (header.incompatibleFeatures & incompatible.extendedL2) !== 0n,
    bitmaps: (header.autoclearFeatures & autoclear.bitmaps) !== 0n,
    nb_snapshots: header.nbSnapshots,
    ...(dataFile === undefined ? {} : { data_file: dataFile }),
    ...(header.hasExternalDataFile
      ? { data_file_raw: (header.autoclearFeatures & autoclear.rawExternalData) !== 0n }
      : {}),
  };
}
