/** The task type that takes a checkpoint before the tasks that name it in `dependsOn`. */
export const checkpointTaskType = 'vm-checkpoint';

interface TaskPropertyDeclaration {
  type: 'string' | 'boolean';
  description: string;
}

export const checkpointTaskProperties = {
  machine: { type: 'string', description: 'Name of the machine.' },
  name: { type: 'string', description: 'Name of the checkpoint. Default: local date and time.' },
  memory: {
    type: 'boolean',
    description:
      'Save the running memory too. Default: true when the machine runs, and not possible when it is stopped.',
  },
} as const satisfies Record<string, TaskPropertyDeclaration>;

export const requiredCheckpointTaskProperties = [
  'machine',
] as const satisfies readonly (keyof typeof checkpointTaskProperties)[];
