import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointService } from '../../../engine/checkpoints/checkpoint-service.ts';
import type { EngineContext } from '../../../engine/checkpoints/engine-context.ts';
import { ForsakenChanges } from '../../../engine/checkpoints/forsaken-changes.ts';
import { SpaceWatch } from '../../../engine/checkpoints/space-watch.ts';
import { DisksHost } from '../../../engine/hosts/disks/disks-host.ts';
import type { Captured, CaptureRequest, RunnableMachine } from '../../../engine/hosts/host.ts';
import { resolveChains } from '../../../engine/hosts/qemu/disk-chains.ts';
import { LayerSwitch } from '../../../engine/hosts/qemu/layer-switch.ts';
import { captureMemory } from '../../../engine/hosts/qemu/memory-capture.ts';
import { openMemoryTarget } from '../../../engine/hosts/qemu/memory-target.ts';
import { requireLiving, withMonitor } from '../../../engine/hosts/qemu/monitor.ts';
import { QemuHost } from '../../../engine/hosts/qemu/qemu-host.ts';
import { EngineLog } from '../../../engine/store/engine-log.ts';
import { Home } from '../../../engine/store/home.ts';

export type WrongOrder = 'disks before memory' | 'memory before disks';

/** Long enough that the guest writes meanwhile. */
const betweenMs = 1500;
const memoryBytes = 256 * 1024 * 1024;

/** A host that takes checkpoints as they must not be taken: its disks are switched in another pause than memory is saved in. */
class WrongHost extends QemuHost {
  readonly #order: WrongOrder;

  constructor(home: Home, order: WrongOrder) {
    super(home);
    this.#order = order;
  }

  override async capture(machine: RunnableMachine, request: CaptureRequest): Promise<Captured> {
    const { memoryFile } = request;
    if (memoryFile === undefined) {
      return super.capture(machine, request);
    }
    const { folder } = machine;
    const living = await requireLiving(folder);
    const chains = await resolveChains(machine);
    const newChains = await resolveChains({ ...machine, layers: request.newLayers });
    return withMonitor(living.socketsFolder, async (monitor) => {
      const layers = new LayerSwitch(monitor, chains, newChains);
      await layers.prepare();
      const target = await openMemoryTarget(monitor, folder.inner(memoryFile), memoryBytes, living.socketsFolder);
      if (this.#order === 'disks before memory') {
        await layers.switch();
        await delay(betweenMs);
      }
      const { method, pauseMs } = await captureMemory(monitor, {
        target,
        ...living,
        wasPaused: false,
        whileStopped: () => Promise.resolve(),
        signal: request.signal,
      });
      if (this.#order === 'memory before disks') {
        await delay(betweenMs);
        await layers.switch();
      }
      const saved = await target.finish();
      const memory = { file: memoryFile, ...saved, method, wasPaused: false, hypervisor: living.hypervisor };
      return { pauseMs, totalMs: pauseMs, memory };
    });
  }
}

/** The product, but for the order in which it takes checkpoints. */
export function serviceWithWrongOrder(homeFolder: string, order: WrongOrder): CheckpointService {
  const home = new Home(homeFolder);
  const context: EngineContext = {
    home,
    hosts: { qemu: new WrongHost(home, order), disks: new DisksHost() },
    face: 'test',
    log: new EngineLog(home.logs),
    changed: new Set(),
  };
  return new CheckpointService(context, new SpaceWatch(context), new ForsakenChanges(context));
}
