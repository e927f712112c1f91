import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';

/** A checkpoint is named within its machine. */
export interface MachineAndCheckpoint {
  machine: MachineInfo;
  checkpoint: CheckpointInfo;
}
