import type { Saying } from './sentences.ts';

/** What the engine tells of the health of machines. */

/**
 * `record`, `frozenRecord`: cannot be believed. `journal`: an operation that was interrupted. `job`: long work that was.
 * `chain`, `image`, `memory`, `firmware`: what a checkpoint or Now needs is broken. `changed`: a frozen layer, or a disk outside, is not as
 * it was left. `writable`: a frozen layer could be written. `leftover`: what a dead engine had not finished, of no use to
 * anybody. `orphan`: a file that nothing names. `sameId`: another machine has its id. `reserve`: no space is set aside.
 * `hidden`: a layer that no checkpoint names. `notLookedAt`: what could not be looked at.
 */
export type FindingCode =
  | 'record'
  | 'frozenRecord'
  | 'journal'
  | 'job'
  | 'chain'
  | 'image'
  | 'memory'
  | 'firmware'
  | 'changed'
  | 'writable'
  | 'leftover'
  | 'orphan'
  | 'sameId'
  | 'reserve'
  | 'hidden'
  | 'notLookedAt';

/**
 * What can be done about a finding, for each front end to say how. `repair`: mending does it, with this effect.
 * `acceptChanged`, `lookDeep`, `newId`, `newPolicy`: of a machine. `resumeJob`: it goes on, or is undone. `checkDisk`: of an image.
 */
export type Remedy =
  | {
      does: 'repair';
      effect: 'readOnly' | 'accepted' | 'removed' | 'lostAndFound' | 'recorded' | 'reserved' | 'ended' | 'rescued';
    }
  | { does: 'acceptChanged' | 'lookDeep' | 'newId' | 'newPolicy'; machine: string }
  | { does: 'resumeJob'; job: string }
  | { does: 'checkDisk'; path: string };

export interface Finding {
  code: FindingCode;
  /** `info` is no fault. */
  severity: 'error' | 'warning' | 'info';
  path: string;
  /** What was found and what comes of it, for the user; ways out that are no operation of ours, too. */
  message: string;
  /** The same, for front ends in other languages. */
  sentences: Saying[];
  /** Ways out that are; absent where there is none, and once it is repaired. */
  remedies?: Remedy[];
  /** Ids of checkpoints, in the tree or in the trash, that do not come back whole for it; absent where it is known of none. */
  breaks?: string[];
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
      /** Of what belongs to no machine; empty when one was named. */
      home: Finding[];
      /** Nothing is wrong that was not repaired. */
      isSound: boolean;
    };
  };
}

export const doctorOperationNames = ['doctor'] as const satisfies readonly (keyof DoctorOperations)[];
