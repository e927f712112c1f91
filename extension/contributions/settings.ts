/** Every setting, declared once; read them with settings.ts in the folder above. */
interface SettingDeclaration {
  type: 'string' | 'boolean' | 'array';
  default: string | boolean | readonly never[];
  scope: 'window' | 'machine-overridable';
  /** True when a workspace's value must not count until the workspace is trusted. */
  restricted: boolean;
  /** Markdown. */
  description: string;
  /** The values that there are, of a string. */
  enum?: readonly string[];
  /** Of an array: JSON schema of its members. */
  items?: object;
}

const hookSchema = {
  type: 'object',
  required: ['machine'],
  additionalProperties: false,
  defaultSnippets: [
    { body: { task: '$1', machine: '$2', onFail: 'ask' } },
    { body: { debugType: '$1', machine: '$2' } },
  ],
  properties: {
    machine: { type: 'string' },
    task: { type: 'string' },
    taskType: { type: 'string' },
    taskGroup: { type: 'string', enum: ['build', 'test', 'clean', 'rebuild'] },
    debugType: { type: 'string' },
    name: { type: 'string' },
    memory: { type: 'boolean' },
    onFail: { type: 'string', enum: ['ask', 'revert', 'keep'] },
    keepLast: { type: 'integer', minimum: 1 },
  },
} as const;

export const settings = {
  'vmCheckpoints.home': {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    restricted: true,
    description:
      'Folder that holds the machines, their checkpoints and the images. Empty: `VM_CHECKPOINTS_HOME` from the environment, else the place where the operating system keeps application data. The engine restarts when this changes.',
  },
  'vmCheckpoints.qemu.path': {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    restricted: true,
    description:
      'Path of the QEMU program (`qemu-system-x86_64` or its like) that runs the machines, or of its folder. Empty: found on the `PATH` and in the usual places. The engine restarts when this changes.',
  },
  'vmCheckpoints.checkpointKind': {
    type: 'string',
    default: 'standard',
    scope: 'machine-overridable',
    restricted: false,
    enum: ['standard', 'production', 'production-only'],
    description:
      'What to take of a running machine. `standard`: with its memory. `production`: without memory, its file systems frozen by the QEMU guest agent, and a standard one with a warning where that is not possible. `production-only`: nothing is taken where it is not. A task that says `memory` goes by that.',
  },
  'vmCheckpoints.confirmRevert': {
    type: 'boolean',
    default: true,
    scope: 'window',
    restricted: false,
    description:
      'Ask before a revert or an apply replaces Now. What Now was is kept for 24 hours in any case, so that it can be undone; **Revert and Discard Now** always asks.',
  },
  'vmCheckpoints.renewNetwork': {
    type: 'boolean',
    default: false,
    scope: 'machine-overridable',
    restricted: false,
    description:
      'After an apply or a revert with memory, have the guest ask for its addresses again (DHCP). It needs the QEMU guest agent in the guest.',
  },
  'vmCheckpoints.mergeSpeed': {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    restricted: false,
    description:
      'Bytes a second, at most, at which layers of a running machine are merged, such as `50M`. Empty: as fast as can be. The engine restarts when this changes.',
  },
  'vmCheckpoints.packMemory': {
    type: 'boolean',
    default: true,
    scope: 'machine-overridable',
    restricted: false,
    description:
      'Pack the saved memory of checkpoints in the background (gzip) a day after they were taken, but for the one that Now hangs from. It takes half the space or less, most of the time; to apply such a checkpoint takes somewhat longer. Off: only `ckpt pack-memory` does it. The engine restarts when this changes.',
  },
  'vmCheckpoints.onTaskFailure': {
    type: 'string',
    default: 'ask',
    scope: 'window',
    restricted: true,
    enum: ['ask', 'revert', 'keep'],
    description:
      'What **Run Task with Checkpoint…** does when the task fails: `ask` offers to revert, `revert` does so at once (what the task left is kept for 24 hours), `keep` leaves the machine as it is. A hook that says `onFail` goes by that.',
  },
  'vmCheckpoints.hooks': {
    type: 'array',
    default: [],
    scope: 'window',
    restricted: true,
    items: hookSchema,
    description:
      'Tasks and debug sessions that a checkpoint is to be taken before. Each hook names a `machine`, and what it fits: `task` (a label), `taskType`, `taskGroup`, or `debugType` (`*` for all). **A debug session starts only when its checkpoint was taken, and so does its `preLaunchTask`.** A task that a hook fits is run by **Run Task with Checkpoint…** without asking for the machine; started in another way, it is told of, with a button that makes it depend on a checkpoint from then on.',
  },
  'vmCheckpoints.pauseWhenFull': {
    type: 'boolean',
    default: false,
    scope: 'window',
    restricted: false,
    description:
      'Pause running machines before the volume that they write to is full. A warning comes in any case. The engine restarts when this changes.',
  },
} as const satisfies Record<`vmCheckpoints.${string}`, SettingDeclaration>;

type Settings = typeof settings;

/** Ids of the settings whose values are of a type. */
export type SettingOfType<T extends SettingDeclaration['type']> = {
  [Id in keyof Settings]: Settings[Id]['type'] extends T ? Id : never;
}[keyof Settings];
