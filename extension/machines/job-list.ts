/** Long work that is under way or was interrupted, as the tree shows it; what has ended is not in it. */
import * as vscode from 'vscode';
import type { JobInfo, JobProgress } from '../../engine/protocol/jobs.ts';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { Engine } from '../engine/engine.ts';
import type { MachineList } from './machine-list.ts';

export interface ShownJob {
  id: string;
  operation: string;
  state: 'running' | 'interrupted';
  /** Absent for work on plain disk images. */
  machine?: { id: string; name: string };
  progress?: JobProgress;
}

export interface JobListChange {
  /** Jobs that went on, and no more than that; absent when jobs came or went. */
  progressed?: readonly ShownJob[];
}

/** How often to look how far a running job is, and whether somebody began one that changes no machine. */
const runningMs = 1000;
const idleMs = 5000;

export class JobList implements vscode.Disposable {
  readonly #engine: Engine;
  readonly #machines: MachineList;
  readonly #log: vscode.LogOutputChannel;
  readonly #change = new vscode.EventEmitter<JobListChange>();
  readonly #listeners: vscode.Disposable;
  #jobs: readonly ShownJob[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isWanted = false;
  #isDisposed = false;
  #isLookedAt = false;

  readonly onDidChange = this.#change.event;

  constructor(engine: Engine, machines: MachineList, log: vscode.LogOutputChannel) {
    this.#engine = engine;
    this.#machines = machines;
    this.#log = log;
    this.#listeners = vscode.Disposable.from(
      // A job changes machines, and makes them busy, as it begins, and again as it ends.
      machines.onDidChange(() => void this.refresh()),
      engine.onDidChangeState(() => void this.refresh()),
    );
  }

  get shown(): readonly ShownJob[] {
    return this.#jobs;
  }

  of(machine: MachineInfo): ShownJob[] {
    return this.#jobs.filter((job) => job.machine?.id === machine.id);
  }

  /** Never rejects; while the engine is away, what was known stays. */
  async refresh(): Promise<void> {
    const { kind } = this.#engine.state;
    if (this.#isDisposed || (kind !== 'ready' && kind !== 'working')) {
      return;
    }
    this.#isWanted = true;
    if (this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#ask();
    }
    this.#isAsking = false;
    this.#arm();
  }

  /** Jobs are followed while the view is in sight, and only then. */
  lookWhile(visible: boolean): void {
    this.#isLookedAt = visible;
    if (visible) {
      void this.refresh();
    } else {
      clearTimeout(this.#timer);
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#listeners.dispose();
    this.#change.dispose();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#isLookedAt && !this.#isDisposed) {
      const runs = this.#jobs.some(({ state }) => state === 'running');
      this.#timer = setTimeout(() => void this.refresh(), runs ? runningMs : idleMs);
    }
  }

  async #ask(): Promise<void> {
    try {
      const { jobs } = await this.#engine.request('jobs', {});
      this.#take(jobs.flatMap(shownJob));
    } catch (error) {
      this.#log.warn('The list of jobs could not be refreshed', error);
    }
  }

  #take(jobs: readonly ShownJob[]): void {
    const before = this.#jobs;
    this.#jobs = jobs;
    const same =
      before.length === jobs.length &&
      before.every(({ id, state }, index) => jobs[index]?.id === id && jobs[index].state === state);
    if (!same) {
      this.#change.fire({});
      this.#machines.refreshSoon(
        new Set([...interruptedIn(before, jobs), ...interruptedIn(jobs, before)].flatMap((job) => this.#nameOf(job))),
      );
      return;
    }
    const progressed = jobs.filter(({ progress }, index) => progress?.updated !== before[index]?.progress?.updated);
    if (progressed.length > 0) {
      this.#change.fire({ progressed });
    }
  }

  #nameOf({ machine }: ShownJob): string[] {
    const found = machine === undefined ? undefined : this.#machines.find(machine.id);
    return found === undefined ? [] : [found.name];
  }
}

/** Those that are in one list and not in the other. A machine says so of itself, and no change of it tells when that is over. */
function interruptedIn(jobs: readonly ShownJob[], others: readonly ShownJob[]): ShownJob[] {
  const interrupted = (list: readonly ShownJob[]): ShownJob[] => list.filter(({ state }) => state === 'interrupted');
  const known = new Set(interrupted(others).map(({ id }) => id));
  return interrupted(jobs).filter(({ id }) => !known.has(id));
}

function shownJob({ id, operation, state, machine, progress }: JobInfo): ShownJob[] {
  return state === 'running' || state === 'interrupted'
    ? [
        {
          id,
          operation,
          state,
          ...(machine === undefined ? {} : { machine }),
          ...(progress === undefined ? {} : { progress }),
        },
      ]
    : [];
}
