import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { toWireError } from '../model/checkpoint-error.ts';
import type { Finding } from '../protocol/doctor.ts';
import { readRecord } from '../store/atomic-file.ts';
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
    consequence: string,
  ): Promise<z.output<S> | undefined> => {
    try {
      return await readRecord(folder.inner(file), schema);
    } catch (error) {
      const { message } = toWireError(error);
      findings.push(finding('record', 'error', folder.inner(file), message, consequence));
      return undefined;
    }
  };
  const stopsAll = 'Until then the machine is shown as damaged, and nothing but looking at it works.';
  for (const [file, schema] of [
    ['machine.json', machineRecord],
    ['now.json', nowRecord],
  ] as const) {
    const isThere = (await read(file, schema, stopsAll)) !== undefined;
    if (!isThere && !findings.some((one) => one.path === folder.inner(file))) {
      const missing = `The file ${folder.inner(file)} is missing.`;
      findings.push(finding('record', 'error', folder.inner(file), missing, stopsAll, 'Restore it from a backup.'));
    }
  }
  const parents = new Map<string, string | undefined>();
  for (const id of await idsIn(folder, 'checkpoints')) {
    const checkpoint = await read(`checkpoints/${id}.json`, checkpointRecord, stopsAll);
    if (checkpoint !== undefined && checkpoint.id !== id) {
      const file = folder.inner(`checkpoints/${id}.json`);
      const what = `The manifest ${file} is that of another checkpoint, ${checkpoint.id}.`;
      findings.push(finding('record', 'error', file, what, stopsAll, 'Move it out of the folder.'));
    }
    parents.set(id, checkpoint?.parent);
  }
  const missing = new Map<string, string>();
  for (const [id, parent] of parents) {
    if (parent !== undefined && !parents.has(parent)) {
      missing.set(parent, missing.get(parent) ?? `the checkpoint ${id}`);
    }
  }
  const now = await readRecord(folder.inner('now.json'), nowRecord).catch(() => undefined);
  if (now?.parent !== undefined && !parents.has(now.parent)) {
    missing.set(now.parent, missing.get(now.parent) ?? 'Now');
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
    const what = `What an interrupted operation left cannot be ended: ${toWireError(error).message}`;
    const wayOut = 'Until then nothing of the machine can be changed.';
    findings.push(finding('journal', 'error', folder.inner('journal.json'), what, wayOut));
  }
  await readPolicy(folder.path).catch((error: unknown) =>
    findings.push(
      withRemedies(
        finding(
          'record',
          'error',
          folder.inner('policy.json'),
          toWireError(error).message,
          'Until then no rule deletes anything of the machine.',
        ),
        { does: 'newPolicy', machine: path.basename(folder.path) },
      ),
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
    const { problem } = toWireError(error).data;
    const found = finding(
      'frozenRecord',
      'warning',
      file,
      `What is on record of frozen layers (${file}) cannot be believed: ${typeof problem === 'string' ? problem : 'it cannot be read'}.`,
      'Nobody would notice when one of them is changed from outside.',
    );
    return withRemedies(found, { does: 'repair', effect: 'recorded' });
  }
}

function missingManifest(folder: MachineFolder, id: string, child: string, consequence: string): Finding {
  const file = folder.inner(`checkpoints/${id}.json`);
  return finding(
    'record',
    'error',
    file,
    `The manifest ${file} is missing: ${child} hangs from it.`,
    consequence,
    'Restore it from a backup.',
  );
}

async function idsIn(folder: MachineFolder, part: string): Promise<string[]> {
  const names = await readdir(path.join(folder.path, part)).catch(() => []);
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}
