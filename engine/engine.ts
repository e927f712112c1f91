import { CheckpointService } from './checkpoints/checkpoint-service.ts';
import { DiskService } from './checkpoints/disk-service.ts';
import type { EngineContext } from './checkpoints/engine-context.ts';
import { DisksHost } from './hosts/disks/disks-host.ts';
import { QemuHost } from './hosts/qemu/qemu-host.ts';
import { EngineLog } from './store/engine-log.ts';
import { defaultHome, type Home } from './store/home.ts';

/** One engine: its services, and where it keeps things. */
export interface Engine {
  service: CheckpointService;
  disks: DiskService;
  home: Home;
  log: EngineLog;
}

/** @param face how a user knows this engine, for those who wait for its lock */
export function createEngine(face: string, home: Home = defaultHome()): Engine {
  const log = new EngineLog(home.logs);
  const context: EngineContext = {
    home,
    hosts: { qemu: new QemuHost(home.probes), disks: new DisksHost() },
    face,
    log,
  };
  return { service: new CheckpointService(context), disks: new DiskService(), home, log };
}
