import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { say, sayError } from '../model/sayings.ts';
import type { DoctorOperations, Finding } from '../protocol/doctor.ts';
import { factsOf, type FrozenFacts } from '../store/frozen-layers.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { removeDrafts } from '../store/record-drafts.ts';
import { keepReserve } from '../store/space-reserve.ts';
import { twice } from './carry-out.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { acceptBases } from './examine-bases.ts';
import { examineMachine, reserveFinding, type Patient } from './examine-machine.ts';
import { lostAndFound, repaired, retold } from './findings.ts';
import { changeDefinition } from './one-record.ts';
import { moveToLostAndFound } from './orphans.ts';
import { recover } from './recover.ts';
import { lostCheckpoints } from './rescue-manifest.ts';

type DoctorParams = DoctorOperations['doctor']['params'];
type Whole = NonNullable<Patient['whole']>;

/**
 * Mends what can be mended without losing anything. To be called with the machine locked. Each step stands for itself and is
 * safe to repeat: after an interruption the next look finds what is left, and the next repair mends it.
 * @returns everything that was found, with what became of it
 */
export async function repairMachine(
  context: EngineContext,
  patient: Patient,
  params: DoctorParams,
  call: Call,
): Promise<Finding[]> {
  context.home.volume.requireThere();
  const { folder } = patient;
  const rescued = params.repair === true ? await rescueLost(patient) : [];
  const ended = params.repair === true ? await endInterrupted(context, patient) : [];
  const place = lostAndFound(context.home.root, path.basename(folder.path), new Date());
  let current =
    ended.length + rescued.length === 0 ? patient : await examineMachine(context, folder, params.deep === true, call);
  const accepted = await acceptChangedBases(context, current, params);
  if (accepted.some(({ isRepaired }) => isRepaired)) {
    current = await examineMachine(context, folder, params.deep === true, call);
  }
  const { whole } = current;
  const left = current.findings.filter((one) => !accepted.some((other) => other.path === one.path));
  if (whole === undefined) {
    return [...rescued, ...ended, ...accepted, ...left];
  }
  const hasRecord = await acceptLayers(folder, whole, left, place, params);
  const findings: Finding[] = [];
  for (const one of left) {
    try {
      findings.push(await mend(context, folder, whole, one, place, params, hasRecord));
    } catch (error) {
      findings.push(retold(one, ...one.sentences, say('notMended', { reason: sayError(error) })));
    }
  }
  return [...rescued, ...ended, ...accepted, ...findings];
}

/** A lost manifest is written anew; what was the checkpoint's alone and cannot be told is left where it is. */
async function rescueLost({ folder, findings }: Patient): Promise<Finding[]> {
  const mended: Finding[] = [];
  for (const checkpoint of await lostCheckpoints(folder)) {
    const file = folder.inner(`checkpoints/${checkpoint.id}.json`);
    await twice(folder, () => folder.writeCheckpoint(checkpoint));
    mended.push(
      ...findings
        .filter((one) => one.path === file)
        .map((one) =>
          repaired(one, say('manifestRescued', { path: file, checkpoint: checkpoint.name }), say('notKnownAnyMore')),
        ),
    );
  }
  return mended;
}

/** What an engine that died left is ended, as any change of the machine does it first. */
async function endInterrupted(context: EngineContext, { folder, findings }: Patient): Promise<Finding[]> {
  const left = findings.filter(
    ({ code, severity }) => severity === 'warning' && ['leftover', 'journal'].includes(code),
  );
  if (left.length === 0) {
    return [];
  }
  try {
    await removeDrafts(folder.path);
    await recover(context, folder);
    return left.map((one) =>
      repaired(one, one.code === 'journal' ? say('changeEnded') : say('halfRecordGone', { path: one.path })),
    );
  } catch (error) {
    const why = say('notEndable', { reason: sayError(error) });
    return left.map((one) => ({ ...retold(one, why), severity: 'error' }));
  }
}

async function acceptChangedBases(
  context: EngineContext,
  { folder, whole, findings }: Patient,
  { repair, acceptChanged }: DoctorParams,
): Promise<Finding[]> {
  const chosen = (whole?.examined.changedBases ?? []).filter(
    ({ isSame }) => acceptChanged === true || (repair === true && isSame),
  );
  if (whole === undefined || chosen.length === 0) {
    return [];
  }
  const about = findings.filter(({ path: file }) => chosen.some((one) => one.path === file));
  try {
    await acceptBases(context, folder, whole.records, chosen);
    return about.map((one) => repaired(one, say('diskAccepted', { path: one.path })));
  } catch (error) {
    const why = say('notAccepted', { reason: sayError(error) });
    return about.map((one) => retold(one, ...one.sentences, why));
  }
}

/** @returns whether the record of frozen layers was written anew */
async function acceptLayers(
  folder: MachineFolder,
  { records, examined, wasOnRecord }: Whole,
  findings: readonly Finding[],
  place: string,
  { deep, repair, acceptChanged }: DoctorParams,
): Promise<boolean> {
  const { changed, sameContent, isWhole, frozen, unrecorded } = examined;
  const accepted: Record<string, FrozenFacts> = {};
  for (const [layer, facts] of Object.entries(changed)) {
    if (isWhole && (acceptChanged === true || (repair === true && sameContent.has(layer)))) {
      accepted[layer] = facts;
    }
  }
  const isLost = repair === true && isWhole && findings.some(({ code }) => code === 'frozenRecord');
  if (isLost) {
    await keepCopy(folder.inner('frozen.json'), place);
    const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
    for (const disk of files.disks) {
      for (const layer of unrecorded) {
        const file = files.restingFileOf(disk, layer);
        accepted[layer] ??= frozen[layer] ?? (await factsOf(file));
      }
    }
  }
  if (deep === true || isLost || Object.keys(accepted).length > 0) {
    await folder.writeFrozen({ ...(deep === true ? frozen : wasOnRecord), ...accepted });
    return true;
  }
  return false;
}

async function keepCopy(file: string, place: string): Promise<void> {
  await mkdir(place, { recursive: true, mode: 0o700 });
  await copyFile(file, path.join(place, path.basename(file)));
}

async function mend(
  context: EngineContext,
  folder: MachineFolder,
  { records, isUp, examined }: Whole,
  one: Finding,
  place: string,
  { machine, repair, acceptChanged }: DoctorParams,
  hasRecord: boolean,
): Promise<Finding> {
  const { definition, clones } = records;
  switch (repair === true || one.code === 'changed' ? one.code : undefined) {
    case 'orphan':
      return examined.orphans.some(({ file, isOurs }) => isOurs && file === one.path)
        ? moveToLostAndFound(one.path, place, one)
        : one;
    case 'writable':
      await chmod(one.path, (await stat(one.path)).mode & 0o555);
      return repaired(one, say('layerReadOnly', { path: one.path }));
    case 'reserve':
      await keepReserve(folder.path);
      return (await reserveFinding(folder)).length === 0 ? repaired(one, say('reserved')) : one;
    case 'sameId': {
      if (machine === undefined || isUp || clones.length > 0) {
        return one;
      }
      await changeDefinition(context, folder, { ...definition, id: randomUUID() });
      return repaired(one, say('newIdGiven', { machine: definition.name }));
    }
    case 'frozenRecord':
      return hasRecord ? repaired(one, say('recordedAgain')) : one;
    case 'changed': {
      const isSame = one.severity === 'warning' && repair === true;
      return hasRecord && examined.isWhole && (acceptChanged === true || isSame)
        ? repaired(one, say('layerAccepted', { path: one.path }))
        : one;
    }
    default:
      return one;
  }
}
