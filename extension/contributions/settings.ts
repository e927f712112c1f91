/** Every setting, declared once; read them with settings.ts in the folder above. */
interface SettingDeclaration {
  type: 'string' | 'boolean';
  default: string | boolean;
  scope: 'window' | 'machine-overridable';
  /** True when a workspace's value must not count until the workspace is trusted. */
  restricted: boolean;
  /** Markdown. */
  description: string;
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
  'vmCheckpoints.confirmRevert': {
    type: 'boolean',
    default: true,
    scope: 'window',
    restricted: false,
    description:
      'Ask before a revert or an apply replaces Now. What Now was is kept for 24 hours in any case, so that it can be undone; **Revert and Discard Now** always asks.',
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
