import type { Fault } from '../disk.ts';

/** A damaged image can have millions; nobody reads more than this. */
const mostFaults = 1000;

/** Clusters that follow each other and have the same fault. */
interface ClusterRange {
  severity: Fault['severity'];
  stored: number;
  counted: number;
  first: number;
  count: number;
}

/** Collects faults, those alike in clusters that follow each other as one. */
export class FaultList {
  readonly faults: Fault[] = [];
  /** Tables cannot be followed or overlap: what is in use is not known, so nothing may be repaired. */
  isBroken = false;
  hasWrongRefcounts = false;
  hasLeaks = false;
  hasWrongFlags = false;
  #left = 0;
  #range: ClusterRange | undefined;
  readonly #clusterSize: number;

  constructor(clusterSize: number) {
    this.#clusterSize = clusterSize;
  }

  /** A table that cannot be believed. */
  broken(field: string, message: string): void {
    this.isBroken = true;
    this.#add({ severity: 'error', field, message, isRepaired: false });
  }

  /** The refcount is lower than the number of references. */
  wrongRefcount(cluster: number, stored: number, counted: number): void {
    this.hasWrongRefcounts = true;
    this.#extend({ severity: 'error', stored, counted, first: cluster, count: 1 });
  }

  wrongFlag(table: string, offset: number, refcount: number): void {
    this.hasWrongFlags = true;
    this.#add({
      severity: 'error',
      field: 'COPIED',
      message: `The flag for ‘refcount is exactly one’ in the ${table} entry that leads to byte ${offset} is wrong: its refcount is ${refcount}.`,
      isRepaired: false,
    });
  }

  dirty(): void {
    this.#add({
      severity: 'error',
      field: 'incompatible_features',
      message: 'The dirty bit is set: the image was not closed properly.',
      isRepaired: false,
    });
  }

  /** A program found structures that contradict each other; what it found they may show no more. */
  corrupt(): void {
    this.#add({
      severity: 'error',
      field: 'incompatible_features',
      message: 'The corrupt bit is set: a program found damage and forbade to write to the image.',
      isRepaired: false,
    });
  }

  /** The refcount is higher than the number of references. */
  leak(cluster: number): void {
    this.hasLeaks = true;
    this.#extend({ severity: 'leak', stored: 1, counted: 0, first: cluster, count: 1 });
  }

  /** True when no further fault is listed; that there are more is. */
  get isFull(): boolean {
    return this.#left > 0;
  }

  /** Nothing may be repaired and nothing more is listed, so looking further only costs time: millions of entries can be wrong. */
  isSettled(): boolean {
    return this.isBroken && this.isFull;
  }

  /** Call when all are found, or {@link isFull}. */
  finish(): void {
    this.#endRange();
    if (this.#left > 0) {
      this.faults.push({
        severity: 'error',
        field: 'image',
        message: `There are ${this.#left} more faults, or even more.`,
        isRepaired: false,
      });
      this.#left = 0;
    }
  }

  markRepaired(): void {
    for (const fault of this.faults) {
      fault.isRepaired = true;
    }
  }

  #extend(next: ClusterRange): void {
    const range = this.#range;
    const continues =
      range?.severity === next.severity &&
      range.stored === next.stored &&
      range.counted === next.counted &&
      range.first + range.count === next.first;
    if (continues) {
      range.count++;
    } else {
      this.#endRange();
      this.#range = next;
    }
  }

  #endRange(): void {
    if (this.#range === undefined) {
      return;
    }
    const { severity, stored, counted, first, count } = this.#range;
    this.#range = undefined;
    if (this.faults.length >= mostFaults) {
      // Of millions, the sentences alone would take seconds.
      this.#left++;
      return;
    }
    const bytes = `${count * this.#clusterSize} bytes from byte ${first * this.#clusterSize} on`;
    this.#add({
      severity,
      field: 'refcount',
      message:
        severity === 'leak'
          ? `The ${bytes} are counted as used more often than anything uses them.`
          : `The ${bytes} are used ${counted} times, and their refcount is ${stored}.`,
      isRepaired: false,
    });
  }

  #add(fault: Fault): void {
    if (this.faults.length < mostFaults) {
      this.faults.push(fault);
    } else {
      this.#left++;
    }
  }
}
