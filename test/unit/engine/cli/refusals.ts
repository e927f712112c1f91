import assert from 'node:assert/strict';
import { z } from 'zod';
import { errorCodes, type ErrorCode, type WireError } from '../../../../engine/protocol/errors.ts';
import { runCkpt, type CkptRun } from '../../../support/ckpt.ts';
import { homeContent } from '../home-content.ts';

const printed = z.strictObject({
  error: z.strictObject({
    code: z.enum(errorCodes),
    message: z.string(),
    data: z.record(z.string(), z.unknown()),
  }),
});

/** What `--json` prints: nothing but one object with the error. */
export function printedError(run: CkptRun): WireError {
  const { error } = printed.parse(JSON.parse(run.stdout));
  assert.match(error.message, /[.!?]$/, 'a whole sentence');
  assert.doesNotMatch(error.message, /\p{Cc}/u, 'one line');
  return error;
}

/** Runs a verb that must be refused with this code and exit code 1, in both kinds of output, and must change nothing. */
export async function refused(
  home: string,
  args: string[],
  code: ErrorCode,
  options: { env?: NodeJS.ProcessEnv; run?: typeof runCkpt } = {},
): Promise<WireError> {
  const { run = runCkpt, env } = options;
  const before = await homeContent(home);
  const json = await run(home, [...args, '--json'], env === undefined ? {} : { env });
  const text = await run(home, args, env === undefined ? {} : { env });
  assert.deepEqual(await homeContent(home), before, 'nothing changes');
  const error = printedError(json);
  assert.equal(error.code, code, error.message);
  assert.deepEqual([json.code, text.code], [1, 1]);
  assert.equal(text.stdout, '');
  assert.match(text.stderr, new RegExp(`^ckpt: .* \\[${code}\\]\\n$`, 's'));
  return error;
}
