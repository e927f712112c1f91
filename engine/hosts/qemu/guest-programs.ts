import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { GuestAgent } from './guest-agent.ts';

const started = z.object({ pid: z.int() });
const progress = z.object({
  exited: z.boolean(),
  exitcode: z.int().optional(),
  'out-data': z.string().optional(),
  'err-data': z.string().optional(),
});
const askLimitMs = 5000;
const intervalMs = 50;
const longestWords = 300;

/**
 * Runs a program in the guest to its end (`guest-exec`).
 * @returns what it printed
 * @throws GuestNotResponding when the agent may not run programs, the program fails, or it does not end within the limit
 */
export async function runInGuest(agent: GuestAgent, program: string, args: string[], limitMs: number): Promise<string> {
  const end = performance.now() + limitMs;
  const { pid } = started.parse(
    await agent.execute('guest-exec', { path: program, arg: args, 'capture-output': true }, askLimitMs),
  );
  for (;;) {
    const found = progress.parse(await agent.execute('guest-exec-status', { pid }, askLimitMs));
    if (found.exited) {
      const output = decoded(found['out-data']);
      if (found.exitcode === 0) {
        return output;
      }
      const words = `${decoded(found['err-data'])} ${output}`.trim().slice(0, longestWords);
      throw new CheckpointError(
        'GuestNotResponding',
        `“${program}” ended with ${found.exitcode ?? 'a signal'} in the guest${words === '' ? '' : `: ${words}`}.`,
        { program, output: words },
      );
    }
    if (performance.now() > end) {
      throw new CheckpointError(
        'GuestNotResponding',
        `“${program}” did not end within ${Math.round(limitMs / 1000)} s in the guest.`,
        { program },
      );
    }
    await delay(intervalMs);
  }
}

function decoded(data = ''): string {
  return Buffer.from(data, 'base64').toString('utf8').replace(/\p{C}/gu, ' ').trim();
}
