import { incompatible, type Qcow2Header } from './header.ts';

/** Sizes that follow from the header, in bytes unless the name says otherwise. */
export interface Geometry {
  readonly version: 2 | 3;
  readonly clusterSize: number;
  readonly clusterBits: number;
  readonly hasSubclusters: boolean;
  /** The unit in which data is allocated: a subcluster, or the cluster where there are none. */
  readonly granuleSize: number;
  readonly l2EntryBytes: 8 | 16;
  /** Number of entries of an L2 table. */
  readonly l2Entries: number;
  /** Guest bytes that one L2 table describes. */
  readonly l2Coverage: number;
  readonly refcountBits: number;
  /** Number of entries of a refcount block. */
  readonly refcountBlockEntries: number;
  /** Whether an L2 entry can say that its cluster, or parts of it, read as zeros. */
  readonly hasZeroClusters: boolean;
  /** Guest clusters lie in another file, each at its guest offset. */
  readonly hasExternalDataFile: boolean;
}

/** Number of subclusters of a cluster (section "Extended L2 Entries"). */
export const subclustersPerCluster = 32;

export function geometryOf(
  header: Pick<Qcow2Header, 'version' | 'clusterBits' | 'refcountOrder' | 'incompatibleFeatures'>,
): Geometry {
  const clusterSize = 2 ** header.clusterBits;
  const hasSubclusters = (header.incompatibleFeatures & incompatible.extendedL2) !== 0n;
  const l2EntryBytes = hasSubclusters ? 16 : 8;
  const l2Entries = clusterSize / l2EntryBytes;
  const refcountBits = 2 ** header.refcountOrder;
  return {
    version: header.version,
    clusterSize,
    clusterBits: header.clusterBits,
    hasSubclusters,
    granuleSize: hasSubclusters ? clusterSize / subclustersPerCluster : clusterSize,
    l2EntryBytes,
    l2Entries,
    l2Coverage: l2Entries * clusterSize,
    refcountBits,
    refcountBlockEntries: (clusterSize * 8) / refcountBits,
    hasZeroClusters: header.version === 3,
    hasExternalDataFile: (header.incompatibleFeatures & incompatible.externalDataFile) !== 0n,
  };
}
