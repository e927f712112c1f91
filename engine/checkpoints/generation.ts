import { randomUUID } from 'node:crypto';
import type { MachineDefinition, Now } from '../model/machine.ts';

/**
 * A generation id that nothing had before, for a machine that is new, is a copy, or has gone back in time (Microsoft,
 * “Virtual Machine Generation ID”); none where the guest has no device to read it from.
 */
export function newGeneration({ hasGeneration }: MachineDefinition): Pick<Now, 'generation'> {
  return hasGeneration === true ? { generation: randomUUID() } : {};
}
