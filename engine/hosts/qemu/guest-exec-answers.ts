import { z } from 'zod';

/** What `guest-exec` answers with. */
export const started = z.object({ pid: z.int() });
const base64 = z.base64().optional();
/** `GuestExecStatus`: `signal` is the number of a signal on POSIX systems, and an exception code on Windows. */
export const status = z.object({
  exited: z.boolean(),
  exitcode: z.int().optional(),
  signal: z.int().optional(),
  'out-data': base64,
  'err-data': base64,
  'out-truncated': z.boolean().optional(),
  'err-truncated': z.boolean().optional(),
});
export type Status = z.output<typeof status>;
