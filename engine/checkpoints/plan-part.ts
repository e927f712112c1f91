import { statSync } from 'node:fs';
import type { OperationPlan, PlannedOperation, PlanStep } from '../protocol/plans.ts';
import type { FreedBytes } from '../protocol/space.ts';
import type { PlanPart } from './plan-steps.ts';
import { neededVolumes, type NeededVolume, type SpaceNeed } from './space-check.ts';

/** What one operation does to one machine, or to all of a group. */
export interface WeighedPart extends PlanPart {
  needs?: SpaceNeed[];
  /** Content of whole images that are made of chains; a bound from above. */
  imageBytes?: number;
  freed?: FreedBytes;
}

/** @param place folder whose volume is told when nothing is going to be written */
export async function wholePlan(
  operation: PlannedOperation,
  machines: string[],
  parts: WeighedPart[],
  place: string,
): Promise<OperationPlan> {
  const sum = (number: (part: WeighedPart) => number): number => parts.reduce((total, part) => total + number(part), 0);
  const needs = [{ folder: place, bytes: 0 }, ...parts.flatMap(({ needs: ofPart = [] }) => ofPart)];
  const { volume, neededBytes } = (await neededVolumes(needs)).reduce((tightest, one) =>
    left(one) < left(tightest) ? one : tightest,
  );
  return {
    operation,
    machines,
    steps: parts.flatMap(({ steps }) => steps),
    losses: parts.flatMap(({ losses }) => losses),
    space: {
      neededBytes,
      movedBytes: sum((part) => bytesOf(part, ['merge', 'fill', 'copy']) + (part.imageBytes ?? 0)),
      freed: {
        leastBytes: sum((part) => part.freed?.leastBytes ?? bytesOf(part, ['remove'])),
        mostBytes: sum((part) => part.freed?.mostBytes ?? bytesOf(part, ['remove'])),
      },
      freeBytes: volume.freeBytes,
      shortBytes: Math.max(0, neededBytes - volume.freeBytes),
    },
  };
}

function left({ volume, neededBytes }: NeededVolume): number {
  return volume.freeBytes - neededBytes;
}

function bytesOf({ steps }: WeighedPart, kinds: readonly PlanStep['kind'][]): number {
  return steps.reduce((total, step) => total + (kinds.includes(step.kind) && 'bytes' in step ? step.bytes : 0), 0);
}

/** What whole images need is what is written into them. */
export function imageBytes({ needs }: { needs: readonly SpaceNeed[] }): number {
  return needs.reduce((total, { bytes }) => total + bytes, 0);
}

/** What a file takes on its volume; none when it is not there. */
export function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true ? found.blocks * 512 : 0;
}
