/** What is known of where a machine's folder lies. */
export interface FolderPlace {
  /** Outside of the home; it may be out of reach. */
  isElsewhere: boolean;
  /** An engine moves or removes it, or died at it. */
  isUnsettled: boolean;
  /** The home that it lies in, when the volume of that is not there now. */
  lostHome?: string;
}

/** A machine, and where it lies. */
export interface MachinePlace extends FolderPlace {
  name: string;
  path: string;
}
