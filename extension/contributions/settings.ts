/** Every setting, declared once; read them with settings.ts in the folder above. */
interface SettingDeclaration {
  type: 'string' | 'boolean';
  default: string | boolean;
  scope: 'window' | 'machine-overridable';
  /** True when a workspace's value must not count until the workspace is trusted. */
  restricted: boolean;
  /** Markdown. */
  description: string;
  /** The values that there are, of a string. */
  enum?: readonly string[];
}

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
