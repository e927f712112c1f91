/** What the engine tells of the health of machines. */

/**
 * `record`, `journal`: cannot be believed, or ended. `chain`, `image`, `memory`, `firmware`: what a checkpoint or Now needs is broken.
 * `changed`: a frozen layer is not as it was left. `orphan`: a file that nothing names. `sameId`: another machine has its id.
 * `reserve`: no space is set aside. `hidden`: a layer that no checkpoint names. `notLookedAt`: what could not be looked at.
 */
export type FindingCode =
  | 'record'
  | 'journal'
  | 'chain'
  | 'image'
  | 'memory'
  | 'firmware'
  | 'changed'
  | 'orphan'
  | 'sameId'
  | 'reserve'
  | 'hidden'
  | 'notLookedAt';

export interface Finding {
  code: FindingCode;
  /** `info` is no fault. */
  severity: 'error' | 'warning' | 'info';
  path: string;
  /** What was found and what to do, as a sentence for the user. */
  message: string;
  isRepaired: boolean;
}

/** The operation that looks after machines, in the form of {@link Operations}. */
export interface DoctorOperations {
  doctor: {
    params: {
      /** All machines unless one is named. */
      machine?: string;
      /** Reads the whole content of every frozen layer. */
      deep?: boolean;
      /** Mends what can be mended without losing anything; what nothing names is moved to `lost+found`, never deleted. */
      repair?: boolean;
      /** Takes changed frozen layers as they are, where their chains verify. */
      acceptChanged?: boolean;
    };
    result: {
      machines: { machine: string; findings: Finding[] }[];
      /** Nothing is wrong that was not repaired. */
      isSound: boolean;
    };
  };
}

export const doctorOperationNames = ['doctor'] as const satisfies readonly (keyof DoctorOperations)[];
