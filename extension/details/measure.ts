import type { PastChange } from '../../engine/protocol/history.ts';
import type { JobInfo } from '../../engine/protocol/jobs.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import { engineErrorFrom } from '../engine/engine-error.ts';
import type { Engine } from '../engine/engine.ts';

/** What is known of a machine beside what the tree shows. */
export interface Measured {
  space: Space | undefined;
  layers: Result<'layers'> | undefined;
  /** What was done to it, the latest first. */
  changes: readonly PastChange[];
  /** Long work on it that is on record, newest first. */
  jobs: readonly JobInfo[];
  /** Sentences: what could not be measured, and why. */
  problems: string[];
}

export type Space = Result<'space'>['machines'][number];

/** More nobody reads in a table. */
const mostChanges = 500;

/** Never rejects. @param machine by id */
export async function measure(engine: Engine, machine: string): Promise<Measured> {
  const problems: string[] = [];
  const unless = async <T>(asked: Promise<T>): Promise<T | undefined> => {
    try {
      return await asked;
    } catch (error) {
      problems.push(engineErrorFrom(error).message);
      return undefined;
    }
  };
  const [space, layers, history, jobs] = await Promise.all([
    unless(engine.request('space', { machine })),
    unless(engine.request('layers', { machine })),
    unless(engine.request('history', { machine, last: mostChanges })),
    unless(engine.request('jobs', {})),
  ]);
  return {
    space: space?.machines[0],
    layers,
    changes: history?.changes ?? [],
    jobs: (jobs?.jobs ?? []).filter((job) => job.machine?.id === machine),
    // A chain that is broken stands in the way of several of them.
    problems: [...new Set(problems)],
  };
}
