/** The task type that takes a checkpoint before the tasks that name it in `dependsOn`. */
export const checkpointTaskType = 'vm-checkpoint';

interface TaskPropertyDeclaration {
  type: 'string' | 'boolean' | 'integer' | 'array';
  description: string;
  /** Of an array: what its members are. */
  items?: { type: 'string' };
  minimum?: number;
}

export const checkpointTaskProperties = {
  machine: { type: 'string', description: 'Name of the machine.' },
  name: { type: 'string', description: 'Name of the checkpoint. Default: local date and time.' },
  memory: {
    type: 'boolean',
    description:
      'Save the running memory too. Default: true when the machine runs, and not possible when it is stopped.',
  },
  group: {
    type: 'array',
    items: { type: 'string' },
    description: 'Names of further machines: checkpoints of all of them are taken together, or none is.',
  },
  keepLast: {
    type: 'integer',
    minimum: 1,
    description:
      'How many checkpoints of this name are kept, this one included; older ones go to the trash. Pinned ones stay. Not together with a group.',
  },
} as const satisfies Record<string, TaskPropertyDeclaration>;

export const requiredCheckpointTaskProperties = [
  'machine',
] as const satisfies readonly (keyof typeof checkpointTaskProperties)[];
