import { constants } from 'node:os';

/** An error that the operating system gives back. */
export const systemErrors = ['ENOSPC', 'EIO', 'EACCES'] as const;
export type SystemErrorCode = (typeof systemErrors)[number];

/**
 * What goes wrong at a call.
 * `before`, `after`: the process dies, with the call not done, or done. `half`: it dies with half of it done, where such
 * a thing can be (a write, a copy, the removal of a folder); elsewhere as `before`.
 * `full`: this call and every later one that needs space fails with ENOSPC, while others work: a full volume.
 * An error code: this call alone fails with it.
 */
export type FaultKind = 'before' | 'half' | 'after' | 'full' | SystemErrorCode;

export const faultKinds = ['before', 'half', 'after', 'full', ...systemErrors] as const satisfies readonly FaultKind[];

export interface Fault {
  /** Place of the call among those that change something, from 1. */
  call: number;
  kind: FaultKind;
}

/** @returns the fault, written as `CALL:KIND`; undefined for anything else */
export function parseFault(text: string): Fault | undefined {
  const [call, named] = text.split(':');
  const kind = faultKinds.find((known) => known === named);
  return kind === undefined || !/^[0-9]+$/.test(call ?? '') ? undefined : { call: Number(call), kind };
}

/** The error as Node gives it. */
export function systemError(code: SystemErrorCode, call: string, place: string | undefined): Error {
  const where = place === undefined ? '' : ` '${place}'`;
  const words = { ENOSPC: 'no space left on device', EIO: 'i/o error', EACCES: 'permission denied' }[code];
  return Object.assign(new Error(`${code}: ${words}, ${call}${where}`), {
    code,
    errno: -constants.errno[code],
    syscall: call,
    ...(place === undefined ? {} : { path: place }),
  });
}

/** What becomes of a call. */
export type Verdict = 'do' | 'die-before' | 'die-half' | 'die-after' | Error;

/** Counts the calls that change something, and says what becomes of each. */
export class FaultPlan {
  readonly #fault: Fault | undefined;
  #calls = 0;

  constructor(fault: Fault | undefined) {
    this.#fault = fault;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  get hasStruck(): boolean {
    return this.#fault !== undefined && this.#calls >= this.#fault.call;
  }

  /** To be asked once before each call that changes something. */
  next(call: string, place: string | undefined, needsSpace: boolean): Verdict {
    this.#calls += 1;
    if (this.#fault === undefined || this.#calls < this.#fault.call) {
      return 'do';
    }
    const { kind } = this.#fault;
    if (kind === 'full') {
      return needsSpace ? systemError('ENOSPC', call, place) : 'do';
    }
    if (this.#calls > this.#fault.call) {
      return 'do';
    }
    switch (kind) {
      case 'before':
      case 'half':
      case 'after':
        return `die-${kind}`;
      default:
        return systemError(kind, call, place);
    }
  }
}
