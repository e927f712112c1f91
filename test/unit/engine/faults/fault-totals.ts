import { faultKinds, type FaultKind } from '../../../support/faults/fault.ts';
import type { Trial } from './trial.ts';

/** How many points were tried in all. */
export class FaultTotals {
  #verbs = 0;
  #calls = 0;
  #doubles = 0;
  readonly #singles = new Map<FaultKind, number>();

  add({ calls, singles, doubles }: Pick<Trial, 'calls' | 'singles' | 'doubles'>): void {
    this.#verbs += 1;
    this.#calls += calls;
    this.#doubles += doubles;
    for (const [kind, count] of singles) {
      this.#singles.set(kind, (this.#singles.get(kind) ?? 0) + count);
    }
  }

  untried(): FaultKind[] {
    return faultKinds.filter((kind) => !this.#singles.has(kind));
  }

  told(): string {
    const kinds = faultKinds.map((kind) => `${this.#singles.get(kind) ?? 0} ${kind}`).join(', ');
    return `in all: ${this.#verbs} verbs, ${this.#calls} calls, ${sumOf(this.#singles)} single faults (${kinds}), ${this.#doubles} double faults`;
  }
}

export function sumOf(counts: ReadonlyMap<FaultKind, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
