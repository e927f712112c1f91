/** Checkpoints of several machines that were taken together, put together from what each machine lists. */
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { MachineAndCheckpoint } from './machine-and-checkpoint.ts';

export interface CheckpointGroup {
  id: string;
  /** That of its first checkpoint: all were given the same. */
  name: string;
  /** When the first of them was taken, in ISO 8601. */
  created: string;
  members: MachineAndCheckpoint[];
}

/** Newest first. */
export function checkpointGroups(machines: readonly MachineInfo[]): CheckpointGroup[] {
  const groups = new Map<string, CheckpointGroup>();
  for (const machine of machines) {
    for (const checkpoint of machine.checkpoints) {
      const { group: id, name, created } = checkpoint;
      if (id === undefined) {
        continue;
      }
      const group = groups.get(id) ?? { id, name, created, members: [] };
      group.members.push({ machine, checkpoint });
      group.created = group.created < created ? group.created : created;
      groups.set(id, group);
    }
  }
  return [...groups.values()].sort((a, b) => b.created.localeCompare(a.created));
}
