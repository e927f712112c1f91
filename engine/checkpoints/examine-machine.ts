import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { say, sayError } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { FrozenFacts } from '../store/frozen-layers.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { isDraft } from '../store/record-drafts.ts';
import { withLock } from '../store/machine-lock.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { examine, type Examination } from './examine.ts';
import { finding, withRemedies } from './findings.ts';
import { interruptedJobs } from './interrupted-jobs.ts';
import { readMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { orphanFinding } from './orphans.ts';
import { checkFrozenRecord, checkRecords } from './record-check.ts';

/** A machine that was looked over. */
export interface Patient {
  folder: MachineFolder;
  findings: Finding[];
  /** Absent when its records cannot be believed, or an operation is to be ended first. */
  whole?: { records: MachineRecords; isUp: boolean; examined: Examination; wasOnRecord: Record<string, FrozenFacts> };
}

/** Looks a machine over that nobody changes meanwhile. Changes nothing. */
export async function examineMachine(
  context: EngineContext,
  folder: MachineFolder,
  isDeep: boolean,
  call: Call,
): Promise<Patient> {
  const findings = [...(await drafts(folder)), ...(await checkRecords(folder))];
  if (findings.some(({ severity }) => severity === 'error')) {
    const records = await readMachine(folder).catch(() => undefined);
    if (records === undefined || findings.some(({ code }) => code === 'journal')) {
      return { folder, findings };
    }
  }
  let records: MachineRecords;
  try {
    records = await readMachine(folder);
  } catch (error) {
    if (!(error instanceof CheckpointError)) {
      throw error;
    }
    return { folder, findings: [...findings, finding('record', 'error', folder.path, sayError(error))] };
  }
  const journal = await folder.readJournal();
  if (journal !== undefined) {
    const { operation, started } = journal;
    const what = say('changeInterrupted', { operation, started });
    const found = finding('journal', 'warning', folder.inner('journal.json'), what, say('endedByNext'));
    findings.push(withRemedies(found, { does: 'repair', effect: 'ended' }));
    return { folder, findings };
  }
  const { definition } = records;
  const interrupted = (await interruptedJobs(context.home)).get(definition.id);
  if (interrupted !== undefined) {
    const what = say('jobInterrupted', { operation: interrupted.operation });
    const found = finding('job', 'warning', folder.path, what);
    findings.push(withRemedies(found, { does: 'resumeJob', job: interrupted.job }));
  }
  const isUp = (await hostOf(context, definition).look(folder)).state !== 'stopped';
  const { layers: wasOnRecord } = await folder.readFrozen();
  const unbelievable = await checkFrozenRecord(folder);
  const examined = await examine(folder, records, isUp, isDeep, call);
  findings.push(
    ...(unbelievable === undefined ? [] : [unbelievable]),
    ...examined.findings,
    ...examined.orphans.map(orphanFinding),
    ...(await sameId(context, folder, definition)),
    ...(await reserveFinding(folder)),
  );
  return { folder, findings, whole: { records, isUp, examined, wasOnRecord } };
}

/** Puts on record what a deep look found out of the content of frozen layers, unless something has changed since. */
export async function remember(context: EngineContext, { folder, whole }: Patient): Promise<void> {
  if (whole === undefined || isDeepStrictEqual(whole.examined.frozen, whole.wasOnRecord)) {
    return;
  }
  const purpose = { operation: 'doctor', face: context.face };
  try {
    await withLock(folder.lock, `Machine “${path.basename(folder.path)}”`, purpose, async () => {
      const { layers } = await folder.readFrozen();
      if (isDeepStrictEqual(layers, whole.wasOnRecord)) {
        await folder.writeFrozen(whole.examined.frozen);
      }
    });
  } catch (error) {
    context.log.error(`What a deep look at ${folder.path} found out is not on record: ${String(error)}`);
  }
}

async function drafts(folder: MachineFolder): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const part of ['', 'checkpoints', 'trash', 'clones', 'run']) {
    const inner = path.join(folder.path, part);
    for (const name of (await readdir(inner).catch(() => [])).filter(isDraft)) {
      const file = path.join(inner, name);
      found.push(
        withRemedies(finding('leftover', 'warning', file, say('halfRecord', { path: file }), say('goesOnChange')), {
          does: 'repair',
          effect: 'removed',
        }),
      );
    }
  }
  return found;
}

/** Which of two is the copy, nobody but the user knows. */
async function sameId(
  context: EngineContext,
  folder: MachineFolder,
  definition: MachineRecords['definition'],
): Promise<Finding[]> {
  for (const other of await machineFolders(context)) {
    const found = other.path === folder.path ? undefined : await other.read().catch(() => undefined);
    if (found?.definition.id === definition.id) {
      const name = path.basename(other.path);
      return [
        withRemedies(
          finding(
            'sameId',
            'error',
            folder.inner('machine.json'),
            say('hasIdOf', { machine: definition.name, other: name }),
            say('cannotBeToldApart'),
          ),
          { does: 'newId', machine: path.basename(folder.path) },
        ),
      ];
    }
  }
  return [];
}

/** Whether there is space set aside for deleting something on a full volume. */
export async function reserveFinding(folder: MachineFolder): Promise<Finding[]> {
  const file = folder.inner('reserve');
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  return size > 0
    ? []
    : [withRemedies(finding('reserve', 'warning', file, say('noReserve')), { does: 'repair', effect: 'reserved' })];
}
