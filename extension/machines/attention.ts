/** What the number on the icon of the view counts: what is under way, and what somebody is to see to. */
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { ShownJob } from './job-list.ts';

export interface Attention {
  runningJobs: number;
  interruptedJobs: number;
  faultyMachines: number;
}

/** @param isFaulty whether something is wrong with a machine */
export function attentionOf(
  machines: readonly MachineInfo[],
  jobs: readonly Pick<ShownJob, 'state'>[],
  isFaulty: (machine: MachineInfo) => boolean,
): Attention {
  const runningJobs = jobs.filter(({ state }) => state === 'running').length;
  return {
    runningJobs,
    interruptedJobs: jobs.length - runningJobs,
    faultyMachines: machines.filter((machine) => isFaulty(machine)).length,
  };
}

export function countOf({ runningJobs, interruptedJobs, faultyMachines }: Attention): number {
  return runningJobs + interruptedJobs + faultyMachines;
}
