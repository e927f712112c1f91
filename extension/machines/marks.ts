/** What the tree marks its rows with, so that it is seen without opening or reading them. */
import type { Finding } from '../../engine/protocol/doctor.ts';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { isUnread } from './arrangement.ts';
import type { ShownJob } from './job-list.ts';

/** In the order in which they are shown, the worst first. */
export type Mark = 'broken' | 'fault' | 'interrupted' | 'current' | 'pinned';

export interface MachineMarks {
  machine: readonly Mark[];
  /** By id; those without a mark are not in it. */
  checkpoints: ReadonlyMap<string, readonly Mark[]>;
}

/**
 * @param findings what a check for problems found of it last
 * @param jobs its jobs; their list is newer than what the machine says of them, or older
 */
export function marksOf(
  machine: MachineInfo,
  findings: readonly Finding[],
  jobs: readonly Pick<ShownJob, 'state'>[] = [],
): MachineMarks {
  const isInterrupted = machine.interrupted !== undefined || jobs.some(({ state }) => state === 'interrupted');
  const broken = new Set(findings.flatMap(({ breaks }) => breaks ?? []));
  const checkpoints = machine.checkpoints.flatMap((checkpoint): [string, Mark[]][] => {
    const marks: Mark[] = [
      ...(broken.has(checkpoint.id) ? (['broken'] as const) : []),
      ...(checkpoint.id === machine.now.parent ? (['current'] as const) : []),
      ...(checkpoint.pinned === true ? (['pinned'] as const) : []),
    ];
    return marks.length === 0 ? [] : [[checkpoint.id, marks]];
  });
  return {
    machine: [
      ...(isFaulty(machine, findings) ? (['fault'] as const) : []),
      ...(isInterrupted ? (['interrupted'] as const) : []),
    ],
    checkpoints: new Map(checkpoints),
  };
}

export function isFaulty(machine: MachineInfo, findings: readonly Finding[]): boolean {
  return isUnread(machine) || machine.problem !== undefined || findings.length > 0;
}

/** Of what a check found, what is still wrong; an interrupted operation is told by its job, or ended by the next look. */
export function openFaults(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    ({ code, severity, isRepaired }) => !isRepaired && severity !== 'info' && code !== 'job' && code !== 'journal',
  );
}

/** Those whose marks are not the same in both. */
export function changedPlaces(
  before: ReadonlyMap<string, readonly Mark[]>,
  after: ReadonlyMap<string, readonly Mark[]>,
): string[] {
  const places = new Set([...before.keys(), ...after.keys()]);
  return [...places].filter((place) => before.get(place)?.join() !== after.get(place)?.join());
}
