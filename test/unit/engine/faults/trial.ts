// First: what it puts in the place of Node's functions has to be there before the engine takes them.
import { EngineRun, type Outcome } from '../../../support/faults/engine-run.ts';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { faultKinds, systemErrors, type Fault, type FaultKind } from '../../../support/faults/fault.ts';
import { faultsOfHome, stateOf, type HomeState } from '../../../support/faults/home-state.ts';
import {
  copyFolder,
  engineOf,
  type Place,
  type PreparedVerb,
  type VerbCall,
} from '../../../support/faults/stopped-lab.ts';

/** What was found wrong after a fault. */
export interface Finding {
  verb: string;
  fault: string;
  kind:
    | 'neither the state before nor the one after'
    | 'files left behind'
    | 'files missing'
    | 'failed, but it has happened'
    | 'failed without saying why'
    | 'does not work afterwards'
    | 'said to be done, but is not';
  detail: string;
}

interface Seen {
  home: HomeState;
  also?: unknown;
}

/** One verb, tried on copies of one home, with the states that it leads from and to. */
export class Trial {
  readonly #verb: string;
  readonly #call: VerbCall;
  readonly #model: Place;
  readonly #known: ReadonlySet<string>;
  readonly #alsoSeen: VerbCall | undefined;
  #before: Seen = { home: {} };
  #after: Seen = { home: {} };
  /** Points that were tried, by the kind of the fault, or of the first of two. */
  readonly singles = new Map<FaultKind, number>();
  doubles = 0;
  /** Calls that change something when nothing goes wrong. */
  calls = 0;
  readonly findings: Finding[] = [];

  private constructor(verb: string, { verb: call, look }: PreparedVerb, model: Place, known: ReadonlySet<string>) {
    this.#verb = verb;
    this.#call = call;
    this.#alsoSeen = look;
    this.#model = model;
    this.#known = known;
  }

  /** Runs the verb once without a fault. */
  static async of(
    verb: string,
    given: VerbCall | PreparedVerb,
    model: Place,
    known: ReadonlySet<string>,
  ): Promise<Trial> {
    const prepared = typeof given === 'function' ? { prepare: async () => undefined, verb: given } : given;
    const home = path.join(path.dirname(model.home), 'prepared');
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
    await copyFolder(model.home, home);
    await prepared.prepare(engineOf(home), { ...model, home });
    const trial = new Trial(verb, prepared, { ...model, home }, known);
    await trial.#onCopy(async (place) => {
      trial.#before = await trial.#look(place);
      const { outcome, calls } = await EngineRun.of(undefined, () => trial.#call(engineOf(place.home), place));
      if (outcome.kind !== 'done') {
        throw new Error(`${verb} does not work without a fault`, { cause: outcome });
      }
      trial.calls = calls;
      trial.#after = await trial.#look(place);
    });
    if (isDeepStrictEqual(trial.#before, trial.#after)) {
      throw new Error(`${verb} changes nothing`);
    }
    return trial;
  }

  /**
   * Carries the verb out with a fault, starts an engine afterwards, with another fault, if any, and looks at what is there.
   * @returns how many calls the engine made afterwards
   */
  async try(fault: Fault, again?: Fault): Promise<number> {
    const told = [fault, ...(again === undefined ? [] : [again])].map((one) => `${one.call}:${one.kind}`).join(', ');
    let calls = 0;
    await this.#onCopy(async (place) => {
      const engine = engineOf(place.home);
      const { outcome, hasStruck } = await EngineRun.of(fault, () => this.#call(engine, place));
      if (!hasStruck) {
        return;
      }
      if (again === undefined) {
        this.singles.set(fault.kind, (this.singles.get(fault.kind) ?? 0) + 1);
      } else {
        this.doubles += 1;
      }
      const find = (kind: Finding['kind'], detail: string): void => {
        this.findings.push({ verb: this.#verb, fault: told, kind, detail });
      };
      try {
        ({ calls } = await EngineRun.of(again, () => engineOf(place.home).service.list()));
        const isBefore = await this.#judge(place, outcome, find);
        if (outcome.kind === 'failed' && isBefore) {
          await this.#repeat(place, find);
        }
      } catch (error) {
        find('does not work afterwards', String(error));
      }
    });
    return calls;
  }

  async #judge(
    place: Place,
    outcome: Outcome<unknown>,
    find: (kind: Finding['kind'], detail: string) => void,
  ): Promise<boolean> {
    const found = await this.#look(place);
    const isBefore = isDeepStrictEqual(found, this.#before);
    const isAfter = isDeepStrictEqual(found, this.#after);
    if (!isBefore && !isAfter) {
      find('neither the state before nor the one after', JSON.stringify(found));
    }
    if (outcome.kind === 'done' && isBefore) {
      find('said to be done, but is not', '');
    }
    if (outcome.kind === 'failed') {
      const { code, message } = toWireError(outcome.error);
      if (message.startsWith('Something unexpected') || !/^[A-ZÄÖÜ].*\.$/su.test(message)) {
        find('failed without saying why', `${code}: ${message}`);
      }
      if (isAfter) {
        find('failed, but it has happened', `${code}: ${message}`);
      }
    }
    if (isBefore && this.#alsoSeen !== undefined) {
      // A home that was damaged before is as damaged as it was: no audit gets through it.
      return true;
    }
    const { unknown, missing } = await faultsOfHome(place.home);
    if (unknown.length > 0 && this.#alsoSeen === undefined) {
      find('files left behind', unknown.join(', '));
    }
    if (missing.length > 0) {
      find('files missing', missing.join(', '));
    }
    return isBefore;
  }

  /** What failed and left everything as it was works when it is asked for again. */
  async #repeat(place: Place, find: (kind: Finding['kind'], detail: string) => void): Promise<void> {
    const { outcome } = await EngineRun.of(undefined, () => this.#call(engineOf(place.home), place));
    if (outcome.kind !== 'done') {
      find('does not work afterwards', outcome.kind === 'failed' ? String(outcome.error) : outcome.kind);
    } else if (!isDeepStrictEqual(await this.#look(place), this.#after)) {
      find('does not work afterwards', 'it led to another state');
    }
  }

  /** As an engine shows it that has just been started. */
  async #look(place: Place): Promise<Seen> {
    const { hosts } = await engineOf(place.home).service.list();
    const home = await stateOf(
      hosts.flatMap((host) => host.machines),
      this.#known,
      place,
    );
    return this.#alsoSeen === undefined ? { home } : { home, also: await this.#alsoSeen(engineOf(place.home), place) };
  }

  async #onCopy(use: (place: Place) => Promise<void>): Promise<void> {
    const home = path.join(path.dirname(this.#model.home), 'tried');
    await copyFolder(this.#model.home, home);
    try {
      await use({ ...this.#model, home });
    } finally {
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

const deaths = ['before', 'half', 'after'] as const satisfies readonly FaultKind[];

/** A death at one call, and at some an error too. `all`: each kind of both. */
export function faultsAt(call: number, all: boolean, random: () => number): Fault[] {
  if (all) {
    return faultKinds.map((kind) => ({ call, kind }));
  }
  const death = deaths[Math.floor(random() * deaths.length)] ?? 'before';
  const error = [...systemErrors, 'full' as const][Math.floor(random() * 4)] ?? 'EIO';
  return [{ call, kind: death }, ...(random() < 0.4 ? [{ call, kind: error }] : [])];
}
