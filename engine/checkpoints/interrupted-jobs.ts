import type { Home } from '../store/home.ts';
import { Jobs } from '../store/jobs.ts';
import type { MachineInfo } from '../protocol/machines.ts';

/** The interrupted job of each machine that has one, by the machine's id. */
export type InterruptedJobs = ReadonlyMap<string, NonNullable<MachineInfo['interrupted']>>;

/** The jobs are no part of a machine: it is shown whatever state their records are in. */
export async function interruptedJobs(home: Home): Promise<InterruptedJobs> {
  const interrupted = await new Jobs(home).interrupted().catch(() => []);
  return new Map(
    interrupted.flatMap(({ id, operation, machine }) =>
      machine === undefined ? [] : [[machine.id, { job: id, operation }] as const],
    ),
  );
}
