import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { say, sayError } from '../../model/sayings.ts';
import type { Saying } from '../../protocol/sentences.ts';
import { GuestAgent } from './guest-agent.ts';
import { failedHooks, freezeHooks, type FreezeHooks } from './guest-hooks.ts';

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
  /**
   * `application` where the programs were asked to get ready too, and did: on Windows by the Volume Shadow Copy Service, which
   * the agent's freeze goes through (QEMU docs/interop/qemu-ga.rst, qga/vss-win32), elsewhere by the agent's hooks.
   */
  consistency: 'file-system' | 'application';
  /** It was done, but programs did not get ready for it, or the agent does not say that the file systems are thawed. */
  problem?: Saying[];
}

/**
 * Does something while the guest's file systems stand still, with all that was written on its disks (`guest-fsfreeze-freeze`).
 * They are thawed whatever happens.
 * @throws GuestNotResponding when no agent answers, or nothing was frozen; nothing was done then
 */
export async function whileFrozen<T>(
  socketPath: string,
  action: () => Promise<T>,
  limitMs = freezeLimitMs,
): Promise<Frozen<T>> {
  const agent = await GuestAgent.connect(socketPath, connectLimitMs);
  let value: T;
  let isWindowsGuest: boolean;
  let hooks: FreezeHooks | undefined;
  try {
    isWindowsGuest = await isWindows(agent);
    hooks = isWindowsGuest ? undefined : await freezeHooks(agent);
    const frozen = count.safeParse(await agent.execute('guest-fsfreeze-freeze', {}, limitMs));
    if (!frozen.success || frozen.data === 0) {
      throw new CheckpointError('GuestNotResponding', 'The agent in the guest froze no file system.', {});
    }
    value = await action();
  } catch (error) {
    agent.close();
    await thaw(socketPath).catch(() => undefined);
    throw error;
  }
  try {
    await agent.execute('guest-fsfreeze-thaw', {}, thawAnswerMs);
    return { value, ...(isWindowsGuest ? { consistency: 'application' } : await achieved(agent, hooks)) };
  } catch {
    agent.close();
    const problem = await thaw(socketPath).then(
      () => undefined,
      (error: unknown) => [sayError(error)],
    );
    return { value, consistency: 'file-system', ...(problem === undefined ? {} : { problem }) };
  } finally {
    agent.close();
  }
}

/** A hook that fails as a whole fails the freeze: what is left are programs that the agent's own hook only tells of in its log. */
async function achieved(
  agent: GuestAgent,
  hooks: FreezeHooks | undefined,
): Promise<Pick<Frozen<unknown>, 'consistency' | 'problem'>> {
  if (hooks === undefined) {
    return { consistency: 'file-system' };
  }
  const failed = await failedHooks(agent, hooks).catch(() => hooks.programs);
  return failed.length === 0
    ? { consistency: 'application' }
    : {
        consistency: 'file-system',
        problem: [say('onlyFileSystems', { programs: failed })],
      };
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
