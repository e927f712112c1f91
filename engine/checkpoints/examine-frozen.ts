import { stat } from 'node:fs/promises';
import { say } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { Sentence } from '../protocol/sentences.ts';
import {
  compareFrozen,
  contentHash,
  factsOf,
  type FrozenDifference,
  type FrozenFacts,
} from '../store/frozen-layers.ts';
import type { ChainLayer } from '../store/layer-chain.ts';
import type { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { Call } from './engine-context.ts';
import { finding, listOf, withRemedies } from './findings.ts';

/** A file that points of a machine stand on. */
export interface Standing {
  link: ChainLayer;
  /** The points, as in a sentence. */
  names: Sentence[];
}

export interface FrozenLook {
  /** What is on record of frozen layers, with what a deep look added. */
  frozen: Record<string, FrozenFacts>;
  /** Changed layers whose chains verify, with what they look like now. */
  changed: Record<string, FrozenFacts>;
  /** Of these, the ones that have the content which is on record all the same. */
  sameContent: ReadonlySet<string>;
  /** Frozen layers that could be written, by absolute path. */
  writable: string[];
  /** Frozen layers that nothing is on record of. */
  unrecorded: string[];
}

/** Compares what frozen layers look like with what is on record of them. */
export async function examineFrozen(
  files: LayerFiles,
  { definition, now }: MachineRecords,
  standing: ReadonlyMap<string, Standing>,
  isDeep: boolean,
  call: Call,
): Promise<FrozenLook & { findings: Finding[] }> {
  const { layers: onRecord } = await files.folder.readFrozen();
  const findings: Finding[] = [];
  const frozen: FrozenLook['frozen'] = { ...onRecord };
  const changed: FrozenLook['changed'] = {};
  const sameContent = new Set<string>();
  const writable: string[] = [];
  const unrecorded: string[] = [];
  const active = new Set(files.disks.map((disk) => files.fileOf(disk, files.layerOf(now.activeLayers, disk))));
  for (const [file, { link, names }] of standing) {
    call.signal?.throwIfAborted();
    const { layer } = link;
    if (layer === undefined || active.has(file)) {
      continue;
    }
    if (process.platform !== 'win32' && ((await stat(file)).mode & 0o222) !== 0) {
      writable.push(file);
      findings.push(
        withRemedies(
          finding(
            'writable',
            'warning',
            file,
            say('layerWritable', { path: file }),
            say('wouldCorrupt', { points: listOf(names) }),
          ),
          { does: 'repair', effect: 'readOnly' },
        ),
      );
    }
    const expected = onRecord[layer];
    const hash = isDeep ? await contentHash(file, call.signal) : undefined;
    if (expected === undefined) {
      unrecorded.push(layer);
      if (hash !== undefined) {
        frozen[layer] = { ...(await factsOf(file)), sha256: hash };
      }
      continue;
    }
    const difference = await compareFrozen(file, expected);
    const isSame = hash !== undefined && hash === expected.sha256;
    const isOther = hash !== undefined && expected.sha256 !== undefined && !isSame;
    if (difference === undefined && !isOther) {
      if (hash !== undefined) {
        frozen[layer] = { ...expected, sha256: hash };
      }
      continue;
    }
    const how = difference === undefined ? say('contentIsOther') : sayDifference(difference);
    changed[layer] = { ...(await factsOf(file)), ...(hash === undefined ? {} : { sha256: hash }) };
    if (isSame) {
      sameContent.add(layer);
      findings.push(
        withRemedies(
          finding(
            'changed',
            'warning',
            file,
            say('layerTouched', { path: file, how }),
            say('layerWaits', { points: listOf(names) }),
          ),
          { does: 'repair', effect: 'accepted' },
        ),
      );
      continue;
    }
    findings.push(
      withRemedies(
        finding(
          'changed',
          'error',
          file,
          say('layerChanged', { path: file, how }),
          say('mayBeCorrupted', { points: listOf(names) }),
          say('restoreThatFile'),
        ),
        ...(isDeep ? [] : [{ does: 'lookDeep', machine: definition.name } as const]),
        { does: 'acceptChanged', machine: definition.name },
      ),
    );
  }
  return { findings, frozen, changed, sameContent, writable, unrecorded };
}

function sayDifference({ field, expected, found }: FrozenDifference): Sentence {
  switch (field) {
    case 'size':
      return say('sizeWas', { expected, found });
    case 'modification time':
      return say('timeWas', { expected, found });
    case 'content':
      return say('contentWas', { expected, found });
  }
}
