import type { MachineInfo } from './machines.ts';

/** Operations on the groups that machines are shown in, in the form of {@link Operations}. */
export interface MachineGroupOperations {
  setGroup: {
    params: {
      machine: string;
      /** Empty: none. One that there is not yet is made by this. */
      group: string;
    };
    result: { machine: MachineInfo };
  };
}

export const machineGroupOperationNames = ['setGroup'] as const satisfies readonly (keyof MachineGroupOperations)[];
