import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { GuestAgent } from './guest-agent.ts';
import { started, status } from './guest-exec-answers.ts';

const askLimitMs = 5000;
const intervalMs = 50;
const longestWords = 300;

/**
 * Runs a short program in the guest to its end, over a connection to the agent that is kept; see `execInGuest` for long ones.
 * @returns what it printed
 * @throws GuestNotResponding when the agent may not run programs, the program fails, or it does not end within the limit
 */
export async function runInGuest(agent: GuestAgent, program: string, args: string[], limitMs: number): Promise<string> {
  const end = performance.now() + limitMs;
  const { pid } = started.parse(
    await agent.execute('guest-exec', { path: program, arg: args, 'capture-output': true }, askLimitMs),
  );
  for (;;) {
    const found = status.parse(await agent.execute('guest-exec-status', { pid }, askLimitMs));
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
