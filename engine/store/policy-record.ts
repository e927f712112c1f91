import path from 'node:path';
import { z } from 'zod';
import type { RetentionPolicy } from '../protocol/retention.ts';
import { readRecord, writeRecord } from './atomic-file.ts';

/** Version of the record. A newer one is refused, never guessed at. */
const policyVersion = 1;

const count = z.int().min(1).max(100_000);

/** A policy, wherever it comes from. A count of 0 is refused: it could mean none as well as no limit. */
export const retentionPolicy = z.strictObject({
  keepLast: count.exactOptional(),
  hourly: count.exactOptional(),
  daily: count.exactOptional(),
  weekly: count.exactOptional(),
  monthly: count.exactOptional(),
  maxBytes: z.int().min(1).exactOptional(),
  minimum: count.exactOptional(),
  includeNamed: z.boolean().exactOptional(),
  ageBy: z.enum(['wall', 'running']).exactOptional(),
}) satisfies z.ZodType<RetentionPolicy>;

export const policyRecord = z.strictObject({ version: z.literal(policyVersion), policy: retentionPolicy });

/**
 * What a machine's folder says that the machine keeps; without a record, nothing but what expires goes.
 * @throws MachineDamaged when the record is there and cannot be believed: then nothing is to be deleted by rules
 */
export async function readPolicy(machineFolder: string): Promise<RetentionPolicy> {
  return (await readRecord(recordOf(machineFolder), policyRecord))?.policy ?? {};
}

export async function writePolicy(machineFolder: string, policy: RetentionPolicy): Promise<void> {
  await writeRecord(recordOf(machineFolder), { version: policyVersion, policy });
}

function recordOf(machineFolder: string): string {
  return path.join(machineFolder, 'policy.json');
}
