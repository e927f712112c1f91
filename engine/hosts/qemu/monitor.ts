import type { HypervisorIdentity } from '../../model/saved-memory.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { MachineFolder } from '../../store/machine-folder.ts';
import { livingProcess } from './qemu-process.ts';
import { QmpConnection } from './qmp.ts';
import { socketsIn } from './sockets-folder.ts';

/** @throws MachineNotRunning */
export async function requireLiving(
  folder: MachineFolder,
): Promise<{ pid: number; socketsFolder: string; hypervisor: HypervisorIdentity }> {
  const living = await livingProcess(folder, 'current');
  if (living === undefined) {
    throw new CheckpointError('MachineNotRunning', 'The machine has stopped meanwhile. Nothing was changed.', {});
  }
  return living;
}

/** Speaks with the process that is the machine. @throws MachineNotRunning */
export async function withCurrent(
  folder: MachineFolder,
  use: (monitor: QmpConnection, socketsFolder: string) => Promise<unknown>,
): Promise<void> {
  const { socketsFolder } = await requireLiving(folder);
  await withMonitor(socketsFolder, (monitor) => use(monitor, socketsFolder));
}

export async function withMonitor<T>(socketsFolder: string, use: (monitor: QmpConnection) => Promise<T>): Promise<T> {
  const monitor = await QmpConnection.connectForDescriptors(socketsIn(socketsFolder).monitor);
  try {
    return await use(monitor);
  } finally {
    monitor.close();
  }
}
