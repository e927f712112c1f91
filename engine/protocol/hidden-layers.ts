/** What the engine tells of layers that belong to no checkpoint any more, but that others stand on. */

/** A point of the tree, or a linked clone, whose disks are read through a layer. */
export interface NeedsLayer {
  kind: 'checkpoint' | 'now' | 'trash' | 'clone';
  /** Of the checkpoint, or of the clone's machine; absent for Now. */
  id?: string;
  name: string;
}

export interface HiddenLayerInfo {
  disk: string;
  /** Absolute path. */
  file: string;
  /** Bytes that it takes on its volume. */
  allocatedBytes: number;
  neededBy: NeedsLayer[];
  /**
   * `several`: more than one layer stands on it, and it merges away when one does; `clone`: a linked clone stands on it, or on
   * the one layer above it; `running`: the machine has it open, and merges it away at the next delete for good; `due`: the next delete for good merges it away.
   */
  why: 'several' | 'clone' | 'running' | 'due';
}
