import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { MachineFolder } from '../../store/machine-folder.ts';
import { endsPanicked, toldEvents } from './ending.ts';
import { shutDownByAgent } from './guest-agent.ts';
import { withMonitor } from './monitor.ts';
import { livingProcess, runState, untilEnded } from './qemu-process.ts';
import type { QmpConnection } from './qmp.ts';
import { socketsIn } from './sockets-folder.ts';

const agentLimitMs = 3000;

/**
 * Asks the guest to power itself off: by its agent, and when that is not there, or nothing came of it in half of the time, by
 * the power button (ACPI). Nothing is forced.
 * @throws GuestNotResponding
 */
export async function shutDown(folder: MachineFolder, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  const living = await livingProcess(folder, 'current');
  if (living === undefined) {
    return;
  }
  const end = performance.now() + timeoutMs;
  const { agent } = socketsIn(living.socketsFolder);
  if (
    (await shutDownByAgent(agent, Math.min(agentLimitMs, timeoutMs))) &&
    (await endsWithin(living, (end - performance.now()) / 2, signal))
  ) {
    return;
  }
  try {
    await withMonitor(living.socketsFolder, (monitor) => monitor.execute('system_powerdown'));
  } catch (error) {
    // It may have ended since.
    if (!(await endsWithin(living, 0, signal))) {
      throw error;
    }
    return;
  }
  if (!(await endsWithin(living, end - performance.now(), signal))) {
    throw new CheckpointError(
      'GuestNotResponding',
      `The guest did not shut down within ${Math.round(timeoutMs / 1000)} s: neither its agent nor the power button (ACPI) had an effect. It is still running; wait and try again, or force it off (ckpt stop --force).`,
      { timeoutMs },
    );
  }
}

/** The guest goes on, unless its user had paused it: one that stood still after an error or a panic boots again. */
export async function reset(monitor: QmpConnection, socketsFolder: string): Promise<void> {
  const isPaused = (await runState(monitor)) === 'paused' && !endsPanicked(await toldEvents(socketsFolder));
  await monitor.execute('system_reset');
  if (!isPaused) {
    await monitor.execute('cont');
  }
}

async function endsWithin(
  living: { pid: number; identity?: string },
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await untilEnded(living, limitMs, signal);
    return true;
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'QmpTimeout') {
      return false;
    }
    throw error;
  }
}
