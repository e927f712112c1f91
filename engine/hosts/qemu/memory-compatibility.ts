import { cpus } from 'node:os';
import type { HypervisorIdentity } from '../../model/saved-memory.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { MachineDefinition } from '../../model/machine.ts';
import type { Accelerator } from './accelerator.ts';
import { guestArguments } from './command-line.ts';
import type { QemuInstallation } from './installation.ts';

/** Something that has to be the same for memory to be resumed, and is not. */
export interface MemoryDifference {
  what: string;
  /** As it was when the memory was saved. */
  expected: string;
  found: string;
}

/** What resuming memory of a machine depends on, as it is here. */
export function identityOf(
  qemu: QemuInstallation,
  accelerator: Accelerator,
  definition: MachineDefinition,
): HypervisorIdentity {
  const processor = accelerator === 'tcg' ? undefined : cpus()[0]?.model.trim();
  return {
    version: qemu.version,
    accelerator,
    ...(processor === undefined ? {} : { processor }),
    guestArguments: guestArguments(definition, qemu.machineType, accelerator),
  };
}

/** Options of QEMU by what they decide; whatever else the guest can see are its devices. */
const namedOptions: Readonly<Record<string, string>> = {
  '-machine': 'machine type',
  '-cpu': 'CPU model',
  '-smp': 'number of CPUs',
  '-m': 'memory size',
};

/** Everything that differs between what saved memory and what is to resume it. */
export function memoryDifferences(saved: HypervisorIdentity, here: HypervisorIdentity): MemoryDifference[] {
  const before = byOption(saved.guestArguments);
  const now = byOption(here.guestArguments);
  const compared: MemoryDifference[] = [
    { what: 'QEMU version', expected: saved.version, found: here.version },
    { what: 'accelerator', expected: saved.accelerator, found: here.accelerator },
    // What was saved before this was on record is not refused for it.
    { what: 'processor', expected: saved.processor ?? here.processor ?? '', found: here.processor ?? '' },
    ...Object.entries(namedOptions).map(([option, what]) => ({
      what,
      expected: before.get(option)?.join(' ') ?? 'none',
      found: now.get(option)?.join(' ') ?? 'none',
    })),
  ];
  const devices = before.get('-device') ?? [];
  const devicesHere = now.get('-device') ?? [];
  const gone = devices.filter((device) => !devicesHere.includes(device));
  const added = devicesHere.filter((device) => !devices.includes(device));
  const inOrder = devices.join('\n') === devicesHere.join('\n');
  return [
    ...compared.filter(({ what, expected, found }) =>
      what !== 'processor' || saved.accelerator === here.accelerator ? expected !== found : false,
    ),
    ...(inOrder
      ? []
      : [
          {
            what: 'devices',
            expected: gone.join(' and ') || (added.length > 0 ? 'none' : devices.join(', ')),
            found: added.join(' and ') || (gone.length > 0 ? 'none' : devicesHere.join(', ')),
          },
        ]),
  ];
}

/** Values by option. The UUID is left out: a machine that was imported has another one, and its guest resumes all the same. */
function byOption(args: readonly string[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [index, option] of args.entries()) {
    const value = args[index + 1];
    if (index % 2 === 0 && value !== undefined && option !== '-uuid') {
      values.set(option, [...(values.get(option) ?? []), value]);
    }
  }
  return values;
}

/** @throws MemoryNotCompatible, naming everything that differs; `data.waysOut` has `disksOnly` */
export function requireCompatible(saved: HypervisorIdentity, here: HypervisorIdentity): void {
  const differences = memoryDifferences(saved, here);
  if (differences.length > 0) {
    const told = differences.map(({ what, expected, found }) => `${what} (expected ${expected}, found ${found})`);
    throw new CheckpointError(
      'MemoryNotCompatible',
      `The checkpoint's memory cannot be resumed here, because of another ${told.join('; ')}. Nothing was changed. Apply its disks only (--disks-only), and start the machine afresh.`,
      { differences, waysOut: ['disksOnly'] },
    );
  }
}
