import { z } from 'zod';
import { errorCodes } from '../protocol/errors.ts';

/** Version of the records below. A newer one is refused, never guessed at. */
export const jobRecordVersion = 1;

const version = z.literal(jobRecordVersion);
const time = z.iso.datetime();
const pid = z.int().positive();
const face = z.string().max(100);
const object = z.record(z.string(), z.unknown());
const bytes = z.int().min(0);

export const jobId = z.uuid();

/** What is to be done, written once, before anything else. */
export const jobRecord = z.strictObject({
  version,
  id: jobId,
  operation: z.string().min(1).max(100),
  params: object,
  machine: z.strictObject({ id: z.string().max(100), name: z.string().max(200) }).exactOptional(),
  startedBy: z.strictObject({ face, pid }),
  started: time,
  /** Folder that relative paths in `params` start from. */
  workingFolder: z.string().max(4096),
});
export type JobRecord = z.output<typeof jobRecord>;

/** Who answers for the job: at first the engine that starts its process, then that process. */
export const jobProcessRecord = z.strictObject({
  version,
  role: z.enum(['starter', 'runner']),
  pid,
  /** Tells a process from a later one with the same number; see `process-identity.ts`. */
  identity: z.string().max(1000).exactOptional(),
});
export type JobProcessRecord = z.output<typeof jobProcessRecord>;

/** How far it has come. Not made durable: losing it costs nothing. */
export const jobProgressRecord = z.strictObject({
  version,
  message: z.string().max(1000),
  fraction: z.number().min(0).max(1).exactOptional(),
  doneBytes: bytes.exactOptional(),
  totalBytes: bytes.exactOptional(),
  remainingMs: bytes.exactOptional(),
  updated: time,
});

const error = z.strictObject({ code: z.enum(errorCodes), message: z.string(), data: object });

/** How it ended, written once. */
export const jobOutcomeRecord = z.discriminatedUnion('state', [
  z.strictObject({ version, state: z.literal('done'), ended: time, result: object }),
  z.strictObject({ version, state: z.enum(['failed', 'cancelled']), ended: time, error }),
]);
export type JobOutcomeRecord = z.output<typeof jobOutcomeRecord>;
