import type { Presence } from '../hosts/host.ts';
import { notBehind, runningSecondsOf, withSighting, type RunningTime, type Sighting } from '../model/running-time.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { readRunningTime, writeRunningTime } from '../store/running-time-record.ts';
import type { EngineContext } from './engine-context.ts';

type Recorded = Pick<MachineRecords, 'definition' | 'checkpoints' | 'trash'>;

/** How long a machine had run when it was last looked at, in seconds; undefined where machines do not run. Changes nothing. */
export async function runningSeconds(folder: MachineFolder, records: Recorded): Promise<number | undefined> {
  return records.definition.host === 'disks' ? undefined : runningSecondsOf(await timeOf(folder, records));
}

/**
 * Puts on record that a machine was seen, and for how long it has run. What goes wrong costs running time, and is logged.
 * @returns as {@link runningSeconds}
 */
export async function noteRunning(
  context: EngineContext,
  folder: MachineFolder,
  records: Recorded,
  { state }: Pick<Presence, 'state'>,
): Promise<number | undefined> {
  if (records.definition.host === 'disks') {
    return undefined;
  }
  try {
    const before = await timeOf(folder, records);
    const sighting = state === 'stopped' ? undefined : await sightingOf(folder, state);
    const time = withSighting(before, sighting);
    if (before.last !== undefined || sighting !== undefined) {
      await writeRunningTime(folder.path, time);
    }
    return runningSecondsOf(time);
  } catch (error) {
    context.log.error(`How long ${folder.path} has run could not be recorded: ${String(error)}`);
    return undefined;
  }
}

/** As {@link noteRunning}, for a machine of which nothing has been read; it need not be locked. */
export async function sightMachine(
  context: EngineContext,
  folder: MachineFolder,
  look: () => Promise<Pick<Presence, 'state'>>,
): Promise<void> {
  const records = await folder.read().catch(() => undefined);
  const presence = records === undefined ? undefined : await look().catch(() => undefined);
  if (records !== undefined && presence !== undefined) {
    await noteRunning(context, folder, records, presence);
  }
}

async function timeOf(folder: MachineFolder, { checkpoints, trash }: Recorded): Promise<RunningTime> {
  const all = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
  return notBehind(
    await readRunningTime(folder.path),
    all.map((one) => one.runningSeconds),
  );
}

async function sightingOf(folder: MachineFolder, state: 'running' | 'paused'): Promise<Sighting | undefined> {
  const record = await folder.processes.read('current');
  return record?.pid === undefined
    ? undefined
    : {
        process: `${record.pid}:${record.identity ?? record.started}`,
        isRunning: state === 'running',
        // Common to all processes of one boot, unlike `performance.now()`.
        atMs: Math.round(Number(process.hrtime.bigint()) / 1e6),
      };
}
