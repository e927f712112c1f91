import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { GuestAgent } from './guest-agent.ts';

const connectLimitMs = 3000;
/** Windows thaws by itself after 10 s (Volume Shadow Copy Service); a busy Linux needs well under that to write out what it has. */
const freezeLimitMs = 10_000;
const thawLimitMs = 10_000;
const thawAnswerMs = 3000;
const intervalMs = 100;

const count = z.int().min(0);
const system = z.object({ id: z.string().optional() });

export interface Frozen<T> {
  value: T;
  /** `application` where freezing asks the programs too: on Windows, by the Volume Shadow Copy Service. */
  consistency: 'file-system' | 'application';
  /** It was done, but the agent does not say that the file systems are thawed. */
  problem?: string;
}

/**
 * Does something while the guest's file systems stand still, with all that was written on its disks (`guest-fsfreeze-freeze`).
 * They are thawed whatever happens.
 * @throws GuestNotResponding when no agent answers, or nothing was frozen; nothing was done then
 */
export async function whileFrozen<T>(socketPath: string, action: () => Promise<T>): Promise<Frozen<T>> {
  const agent = await GuestAgent.connect(socketPath, connectLimitMs);
  let done: Omit<Frozen<T>, 'problem'>;
  try {
    const consistency = (await isWindows(agent)) ? 'application' : 'file-system';
    const frozen = count.safeParse(await agent.execute('guest-fsfreeze-freeze', {}, freezeLimitMs));
    if (!frozen.success || frozen.data === 0) {
      throw new CheckpointError('GuestNotResponding', 'The agent in the guest froze no file system.', {});
    }
    done = { value: await action(), consistency };
  } catch (error) {
    agent.close();
    await thaw(socketPath).catch(() => undefined);
    throw error;
  }
  try {
    await agent.execute('guest-fsfreeze-thaw', {}, thawAnswerMs);
    return done;
  } catch {
    agent.close();
    const problem = await thaw(socketPath).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { ...done, ...(problem === undefined ? {} : { problem }) };
  } finally {
    agent.close();
  }
}

/**
 * Sees that the guest's file systems are not frozen, again and again until the agent says so. Safe to repeat.
 * @throws GuestNotResponding
 */
export async function thaw(socketPath: string, limitMs = thawLimitMs): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      const agent = await GuestAgent.connect(socketPath, connectLimitMs);
      try {
        await agent.execute('guest-fsfreeze-thaw', {}, thawAnswerMs);
        return;
      } finally {
        agent.close();
      }
    } catch (error) {
      if (performance.now() > end) {
        throw new CheckpointError(
          'GuestNotResponding',
          'The agent in the guest does not say that its file systems are thawed. If programs in the guest stand still, reset the machine or revert it.',
          {},
          { cause: error },
        );
      }
      await delay(intervalMs);
    }
  }
}

/** Whether the guest is Windows; one whose agent does not tell is not. */
export async function isWindows(agent: GuestAgent): Promise<boolean> {
  const found = await agent.execute('guest-get-osinfo', {}, connectLimitMs).catch(() => undefined);
  return system.safeParse(found).data?.id === 'mswindows';
}
