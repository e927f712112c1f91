import type { SavedMemory } from '../../model/saved-memory.ts';
import type { Captured, CaptureRequest, RunnableMachine } from '../host.ts';
import { hardwareOf } from './command-line.ts';
import { ConsoleLook } from './console-log.ts';
import { resolveChains } from './disk-chains.ts';
import { whileFrozen } from './file-system-freeze.ts';
import { LayerSwitch } from './layer-switch.ts';
import { captureMemory, endMigration, pauseFor, saveMemory } from './memory-capture.ts';
import { openMemoryTarget, type MemoryTarget } from './memory-target.ts';
import { requireLiving, withMonitor } from './monitor.ts';
import { runState } from './qemu-process.ts';
import type { QmpConnection } from './qmp.ts';
import { pausedStates } from './run-states.ts';
import { socketsIn } from './sockets-folder.ts';

/** As `Host.capture` says. */
export async function capture(machine: RunnableMachine, request: CaptureRequest): Promise<Captured> {
  const living = await requireLiving(machine.folder);
  const oldChains = await resolveChains(machine);
  const newChains = await resolveChains({ ...machine, layers: request.newLayers });
  return withMonitor(living.socketsFolder, async (monitor) => {
    request.signal?.throwIfAborted();
    const started = performance.now();
    const wasPaused = pausedStates.has(await runState(monitor));
    const look = new ConsoleLook(living.socketsFolder);
    const layers = new LayerSwitch(monitor, oldChains, newChains);
    const whileStopped = async (): Promise<void> => {
      await layers.switch();
      look.mark();
      await request.whileStill?.();
    };
    const instant = { wasPaused, whileStopped, signal: request.signal };
    const target =
      request.memoryFile === undefined
        ? undefined
        : await memoryTarget(monitor, machine, request.memoryFile, living.socketsFolder);
    try {
      await layers.prepare();
      if (request.quiesce === true) {
        const { agent } = socketsIn(living.socketsFolder);
        const { value, ...achieved } = await whileFrozen(agent, () => pauseFor(monitor, instant));
        return { pauseMs: value, totalMs: since(started), ...achieved, ...(await look.read()) };
      }
      if (target === undefined || request.memoryFile === undefined) {
        const pauseMs = await pauseFor(monitor, instant);
        return { pauseMs, totalMs: since(started), ...(await look.read()) };
      }
      const { method, pauseMs } = await captureMemory(monitor, { ...instant, target, ...living });
      const saved = await target.finish();
      const memory = {
        file: request.memoryFile,
        ...saved,
        method,
        wasPaused,
        hypervisor: living.hypervisor,
        ...(await look.read()),
      };
      return { pauseMs, totalMs: since(started), memory };
    } catch (error) {
      // Should one of these fail too, `settle` sees to it, and the new layers stay in the chain.
      await endMigration(monitor).catch(() => undefined);
      await target?.discard();
      await layers.undo().catch(() => undefined);
      throw error;
    }
  });
}

/** As `Host.hold` says. */
export async function hold(
  machine: RunnableMachine,
  memoryFile: string | undefined,
  signal?: AbortSignal,
): Promise<SavedMemory | undefined> {
  const living = await requireLiving(machine.folder);
  return withMonitor(living.socketsFolder, async (monitor) => {
    const wasPaused = pausedStates.has(await runState(monitor));
    await monitor.execute('stop');
    if (memoryFile === undefined) {
      return undefined;
    }
    const look = new ConsoleLook(living.socketsFolder);
    look.mark();
    const looking = look.read();
    const target = await memoryTarget(monitor, machine, memoryFile, living.socketsFolder);
    try {
      await saveMemory(monitor, target, signal);
      const saved = await target.finish();
      const { hypervisor } = living;
      return { file: memoryFile, ...saved, method: 'stopped', wasPaused, hypervisor, ...(await looking) };
    } catch (error) {
      // Fails only when QEMU is gone, and then the first error says so.
      await endMigration(monitor).catch(() => undefined);
      await target.discard();
      throw error;
    }
  });
}

async function memoryTarget(
  monitor: QmpConnection,
  { folder, definition }: RunnableMachine,
  file: string,
  socketsFolder: string,
): Promise<MemoryTarget> {
  const memoryBytes = hardwareOf(definition).memoryMiB * 1024 * 1024;
  return openMemoryTarget(monitor, folder.inner(file), memoryBytes, socketsFolder);
}

/** In ms, to a tenth. */
function since(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
