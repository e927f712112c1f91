import { stat } from 'node:fs/promises';
import type { MachineDefinition, MachineDisk } from '../model/machine.ts';
import { say } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import { contentHash, factsOf, type FrozenFacts } from '../store/frozen-layers.ts';
import { ChainReader, type ExternalBase } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { definitionsOf } from './clone-records.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { finding, withRemedies } from './findings.ts';
import { changeDefinition } from './one-record.ts';

/** A file outside of the machine that was changed since it was allowed, with what it looks like now. */
export interface ChangedBase {
  path: string;
  now: Pick<ExternalBase, 'sizeBytes' | 'modifiedMs'>;
  /** All of its content is what a deep look had put on record. */
  isSame: boolean;
}

/** Under what name the content of a file outside is on record beside that of the frozen layers. */
export function baseKey(file: string): string {
  return `base:${file}`;
}

/** Compares the files outside that a machine stands on with what is on record of them. */
export async function examineBases(
  folder: MachineFolder,
  records: MachineRecords,
  isDeep: boolean,
  call: Call,
): Promise<{ findings: Finding[]; changed: ChangedBase[]; seen: Record<string, FrozenFacts> }> {
  const { layers: onRecord } = await folder.readFrozen();
  const { name } = records.definition;
  const findings: Finding[] = [];
  const changed: ChangedBase[] = [];
  const seen: Record<string, FrozenFacts> = {};
  for (const base of basesOf(records)) {
    const found = await stat(base.path).catch(() => undefined);
    if (found === undefined) {
      continue;
    }
    const hash = isDeep ? await contentHash(base.path, call.signal) : undefined;
    const known = onRecord[baseKey(base.path)]?.sha256;
    const now = { sizeBytes: found.size, modifiedMs: Math.floor(found.mtimeMs) };
    const isTouched = now.sizeBytes !== base.sizeBytes || now.modifiedMs !== base.modifiedMs;
    const isOther = hash !== undefined && known !== undefined && hash !== known;
    if (!isTouched && !isOther) {
      if (hash !== undefined) {
        seen[baseKey(base.path)] = { ...(await factsOf(base.path)), sha256: hash };
      }
      continue;
    }
    const isSame = hash !== undefined && hash === known;
    changed.push({ path: base.path, now, isSame });
    const how =
      now.sizeBytes !== base.sizeBytes
        ? say('hadBytes', { expected: base.sizeBytes, found: now.sizeBytes })
        : isTouched
          ? say('hadTime', { expected: timeOf(base.modifiedMs), found: timeOf(now.modifiedMs) })
          : say('contentIsOtherUnseen');
    findings.push(
      isSame
        ? withRemedies(
            finding(
              'changed',
              'warning',
              base.path,
              say('diskTouched', { path: base.path, how }),
              say('doesNotRun', { machine: name }),
            ),
            { does: 'repair', effect: 'accepted' },
          )
        : withRemedies(
            finding(
              'changed',
              'error',
              base.path,
              say('diskChanged', { path: base.path, how }),
              say('machineStandsOnIt', { machine: name }),
              say('restoreThatFile'),
            ),
            { does: 'acceptChanged', machine: name },
          ),
    );
  }
  return { findings, changed, seen };
}

/**
 * Takes files outside as they are now, where the layers on them still verify. Every point has to know: the definition, which
 * the machine runs by, is the last one, so that an interruption leaves it refused, and the same call finishes it.
 * @throws what `ChainReader.chainOf` throws
 */
export async function acceptBases(
  context: EngineContext,
  folder: MachineFolder,
  records: MachineRecords,
  accepted: readonly ChangedBase[],
): Promise<void> {
  const definition = withBases(records.definition, accepted);
  const files = new LayerFiles(folder, definition, records.now.activeLayers);
  const reader = new ChainReader(files);
  for (const disk of files.disks) {
    await reader.chainOf(disk, files.layerOf(records.now.activeLayers, disk));
  }
  for (const checkpoint of records.checkpoints) {
    await folder.writeCheckpoint({ ...checkpoint, definition: withBases(checkpoint.definition, accepted) });
  }
  for (const trashed of records.trash) {
    const { checkpoint } = trashed;
    const changed = { ...checkpoint, definition: withBases(checkpoint.definition, accepted) };
    await folder.writeTrashed({ ...trashed, checkpoint: changed });
  }
  await changeDefinition(context, folder, definition);
}

function withBases(definition: MachineDefinition, accepted: readonly ChangedBase[]): MachineDefinition {
  const withBase = (disk: MachineDisk): MachineDisk => {
    const { externalBase } = disk;
    const found = accepted.find(({ path }) => path === externalBase?.path);
    return found === undefined || externalBase === undefined
      ? disk
      : { ...disk, externalBase: { ...externalBase, ...found.now } };
  };
  return { ...definition, disks: definition.disks.map(withBase) };
}

/** Each file outside once, as the machine's definition has it. */
function basesOf(records: MachineRecords): ExternalBase[] {
  const found = new Map<string, ExternalBase>();
  for (const { disks } of definitionsOf(records)) {
    for (const { externalBase } of disks) {
      if (externalBase !== undefined && !found.has(externalBase.path)) {
        found.set(externalBase.path, externalBase);
      }
    }
  }
  return [...found.values()];
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
