import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { say, sayError } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { Sentence } from '../protocol/sentences.ts';
import { readRecord, RecordDamaged } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { readPolicy } from '../store/policy-record.ts';
import {
  checkpointRecord,
  cloneRecord,
  frozenRecord,
  journalRecord,
  machineRecord,
  nowRecord,
  trashedRecord,
} from '../store/records.ts';
import { finding, withRemedies } from './findings.ts';
import { lostCheckpoints } from './rescue-manifest.ts';

/** Every record of a machine that is missing, cannot be believed, or names a checkpoint that is not there. Changes nothing. */
export async function checkRecords(folder: MachineFolder): Promise<Finding[]> {
  const findings: Finding[] = [];
  const read = async <S extends z.ZodType>(
    file: string,
    schema: S,
    consequence: Sentence,
  ): Promise<z.output<S> | undefined> => {
    try {
      return await readRecord(folder.inner(file), schema);
    } catch (error) {
      findings.push(finding('record', 'error', folder.inner(file), sayError(error), consequence));
      return undefined;
    }
  };
  const stopsAll = say('isShownDamaged');
  for (const [file, schema] of [
    ['machine.json', machineRecord],
    ['now.json', nowRecord],
  ] as const) {
    const isThere = (await read(file, schema, stopsAll)) !== undefined;
    if (!isThere && !findings.some((one) => one.path === folder.inner(file))) {
      const missing = say('fileMissing', { path: folder.inner(file) });
      findings.push(finding('record', 'error', folder.inner(file), missing, stopsAll, say('restoreIt')));
    }
  }
  const parents = new Map<string, string | undefined>();
  for (const id of await idsIn(folder, 'checkpoints')) {
    const checkpoint = await read(`checkpoints/${id}.json`, checkpointRecord, stopsAll);
    if (checkpoint !== undefined && checkpoint.id !== id) {
      const file = folder.inner(`checkpoints/${id}.json`);
      const what = say('manifestOfOther', { path: file, found: checkpoint.id });
      findings.push(finding('record', 'error', file, what, stopsAll, say('moveItOut')));
    }
    parents.set(id, checkpoint?.parent);
  }
  const missing = new Map<string, Sentence>();
  for (const [id, parent] of parents) {
    if (parent !== undefined && !parents.has(parent)) {
      missing.set(parent, missing.get(parent) ?? say('theCheckpoint', { id }));
    }
  }
  const now = await readRecord(folder.inner('now.json'), nowRecord).catch(() => undefined);
  if (now?.parent !== undefined && !parents.has(now.parent)) {
    missing.set(now.parent, missing.get(now.parent) ?? say('now'));
  }
  const rescuable = new Set((missing.size === 0 ? [] : await lostCheckpoints(folder)).map(({ id }) => id));
  for (const [id, child] of missing) {
    const found = missingManifest(folder, id, child, stopsAll);
    findings.push(rescuable.has(id) ? withRemedies(found, { does: 'repair', effect: 'rescued' }) : found);
  }
  for (const id of await idsIn(folder, 'trash')) {
    await read(`trash/${id}.json`, trashedRecord, stopsAll);
  }
  for (const id of await idsIn(folder, 'clones')) {
    await read(`clones/${id}.json`, cloneRecord, stopsAll);
  }
  try {
    await readRecord(folder.inner('journal.json'), journalRecord);
  } catch (error) {
    const what = say('notEndable', { reason: sayError(error) });
    findings.push(finding('journal', 'error', folder.inner('journal.json'), what, say('nothingChangeable')));
  }
  await readPolicy(folder.path).catch((error: unknown) =>
    findings.push(
      withRemedies(finding('record', 'error', folder.inner('policy.json'), sayError(error), say('noRuleDeletes')), {
        does: 'newPolicy',
        machine: path.basename(folder.path),
      }),
    ),
  );
  return findings;
}

/** What is on record of frozen layers, when that cannot be believed. */
export async function checkFrozenRecord(folder: MachineFolder): Promise<Finding | undefined> {
  const file = folder.inner('frozen.json');
  try {
    await readRecord(file, frozenRecord);
    return undefined;
  } catch (error) {
    const why = error instanceof RecordDamaged ? error.why : say('cannotBeRead');
    const what = say('frozenRecordBroken', { path: file, why });
    const found = finding('frozenRecord', 'warning', file, what, say('wouldGoUnnoticed'));
    return withRemedies(found, { does: 'repair', effect: 'recorded' });
  }
}

function missingManifest(folder: MachineFolder, id: string, child: Sentence, consequence: Sentence): Finding {
  const file = folder.inner(`checkpoints/${id}.json`);
  return finding('record', 'error', file, say('manifestMissing', { path: file, child }), consequence, say('restoreIt'));
}

async function idsIn(folder: MachineFolder, part: string): Promise<string[]> {
  const names = await readdir(path.join(folder.path, part)).catch(() => []);
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}
