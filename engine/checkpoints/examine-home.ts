import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { say } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import { lockHolder } from '../store/file-lock.ts';
import { Jobs } from '../store/jobs.ts';
import { MachineFolder } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';
import { finding, repaired, withRemedies } from './findings.ts';
import { newPrefix, removedPrefix, sweepLeftovers } from './staging.ts';

/** Whoever makes a machine holds its lock after a moment, and one that is removed is gone soon. */
const underWayMs = 60_000;

/** Looks for what belongs to no machine: folders that dead engines left, and jobs. */
export async function examineHome(context: EngineContext, repair: boolean): Promise<Finding[]> {
  const { machines } = context.home;
  const left: Finding[] = [];
  for (const name of await readdir(machines).catch(() => [])) {
    const place = path.join(machines, name);
    const isNew = name.startsWith(newPrefix);
    if ((isNew || name.startsWith(removedPrefix)) && !(await isUnderWay(place, isNew))) {
      left.push(
        withRemedies(
          finding(
            'leftover',
            'warning',
            place,
            isNew ? say('leftOfNew', { path: place }) : say('leftOfRemoved', { path: place }),
            say('goesOnListing'),
          ),
          { does: 'repair', effect: 'removed' },
        ),
      );
    }
  }
  if (repair && left.length > 0) {
    await sweepLeftovers(context);
  }
  const findings: Finding[] = [];
  for (const one of left) {
    const isGone = repair && !(await isThere(one.path));
    findings.push(isGone ? repaired(one, say('leftIsGone', { path: one.path })) : one);
  }
  return [...findings, ...(await jobFindings(context))];
}

/** Jobs on machines are told of with those. */
async function jobFindings({ home }: EngineContext): Promise<Finding[]> {
  const { jobs, damaged } = await new Jobs(home).list();
  return [
    ...jobs
      .filter(({ state, machine }) => state === 'interrupted' && machine === undefined)
      .map(({ id, operation, logFile }) =>
        withRemedies(finding('job', 'warning', path.dirname(logFile), say('jobInterrupted', { operation })), {
          does: 'resumeJob',
          job: id,
        }),
      ),
    ...damaged.map(({ folder, problem }) =>
      finding('job', 'warning', folder, { error: { code: 'JobDamaged', message: problem, data: {} } }),
    ),
  ];
}

async function isUnderWay(place: string, isNew: boolean): Promise<boolean> {
  const lock = new MachineFolder(place).lock;
  if (isNew && (await lockHolder(lock)) !== undefined) {
    return true;
  }
  const found = await stat(place).catch(() => undefined);
  const hasOwner = isNew && (await isThere(lock));
  // Without a lock it may be a moment old; with that of a dead engine it is not.
  return found === undefined || (!hasOwner && Date.now() - found.mtimeMs < underWayMs);
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
