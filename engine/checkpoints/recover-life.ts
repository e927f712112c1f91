import { stat } from 'node:fs/promises';
import type { Host } from '../hosts/host.ts';
import { withoutMemory } from '../model/machine.ts';
import { readFirmwareTimes } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { presentMachine } from './firmware-copy.ts';

/** Operations on a machine's memory that leave its tree as it is. */
export type LifeOperation = 'save' | 'start' | 'discard-state';

export function isOfLife(operation: JournalRecord['operation']): operation is LifeOperation {
  return operation === 'save' || operation === 'start' || operation === 'discard-state';
}

/** Finishes or undoes a save, the start of a saved machine, or the end of what was saved; safe to repeat. */
export async function recoverLife(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  switch (journal.operation) {
    case 'save':
      await recoverSave(host, folder, records, journal);
      break;
    case 'start':
      await recoverStart(host, folder, records, journal);
      break;
    default:
      await executeDiscard(folder, records, journal);
  }
}

/** Its memory is whole once Now names it: the process has to go then, and has to run on before. */
async function recoverSave(
  host: Host,
  folder: MachineFolder,
  { definition, now }: MachineRecords,
  { memoryFile, wasRunning }: JournalRecord,
): Promise<void> {
  if (now.memory !== undefined && now.memory.file === memoryFile) {
    await host.powerOff(folder);
    return;
  }
  await host.settle(presentMachine(folder, definition, now), 'stay', wasRunning);
  if (memoryFile !== undefined) {
    await folder.removeFile(folder.inner(memoryFile));
  }
}

/** The guest may have run once Now names its memory no more. */
async function recoverStart(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const { definition, now } = records;
  const machine = presentMachine(folder, definition, now);
  if (now.memory !== undefined) {
    await host.settle(machine, 'stay', false);
    return;
  }
  await host.settle(machine, 'exchange', journal.runsAfterwards);
  const { resumes } = journal;
  if (resumes === undefined) {
    return;
  }
  // Its process died before it wrote anything: what was saved is as good as it was.
  if ((await host.look(folder)).state === 'stopped' && (await isUnwritten(folder, records, journal.started))) {
    await folder.writeNow({ ...now, memory: resumes });
    return;
  }
  await folder.removeFile(folder.inner(resumes.file));
}

/** Now without what was saved, and then the file. @returns bytes of the volume that this freed */
export async function executeDiscard(
  folder: MachineFolder,
  { now }: MachineRecords,
  { releasedMemoryFile }: Pick<JournalRecord, 'releasedMemoryFile'>,
): Promise<number> {
  if (releasedMemoryFile === undefined) {
    return 0;
  }
  if (now.memory?.file === releasedMemoryFile) {
    await folder.writeNow(withoutMemory(now));
  }
  return folder.removeFile(folder.inner(releasedMemoryFile));
}

/** Whether disks, UEFI variables and TPM state of Now are as they were at a moment. */
async function isUnwritten(
  folder: MachineFolder,
  { definition, now }: MachineRecords,
  since: string,
): Promise<boolean> {
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const disks = files.disks.map((disk) => files.fileOf(disk, files.layerOf(now.activeLayers, disk)));
  const times = await Promise.all(disks.map(async (file) => (await stat(file)).mtimeMs));
  const firmware = now.firmware === undefined ? [] : await readFirmwareTimes(folder, now.firmware);
  return [...times, ...firmware].every((time) => time < Date.parse(since));
}
