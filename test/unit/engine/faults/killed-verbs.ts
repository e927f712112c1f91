import type { HomeSnapshot } from './home-snapshot.ts';

/** A command line, and what it may do to the home besides making checkpoints of what Now is. */
export interface KilledVerb {
  args: string[];
  /** What Now of machines may become, by their names. */
  targets?: Readonly<Record<string, string>>;
  /** Checkpoints that may go for good. */
  takes?: readonly string[];
  /** A machine that it may make, with what its Now holds then. */
  makes?: { machine: string; content: string };
  removes?: string;
  /** A folder that it may make. */
  exports?: string;
}

export interface Choice {
  home: HomeSnapshot;
  /** A machine of ours, or of another program. */
  machine: string;
  random: () => number;
  round: number;
  /** A folder for exports, and those that are whole. */
  folder: string;
  exported: Map<string, string>;
  /** Folders for moved machines: on the same volume, and on another. */
  elsewhere: readonly string[];
}

type Chooser = (choice: Choice) => KilledVerb | undefined;

export function pick<T>(values: readonly T[], random: () => number): T | undefined {
  return values[Math.floor(random() * values.length)];
}

/** Copies of a machine are made of this one. */
export const source = 'lab';

/** Memory that some checkpoints have was never any guest's. */
const disksOnly = '--disks-only';

/** Every verb that changes something. A new verb is a new line. */
export const killedVerbs: Readonly<Record<string, Chooser>> = {
  take: ({ machine, round }) => ({ args: ['take', machine, `point ${round}`] }),
  apply: (choice) =>
    onPoint(choice, (id, content) => applying(choice, ['apply', choice.machine, id, disksOnly], content)),
  'apply, discarding Now': (choice) =>
    onPoint(choice, (id, content) =>
      applying(choice, ['apply', choice.machine, id, disksOnly, '--discard-now'], content),
    ),
  revert: (choice) =>
    onNow(choice, 'parent', (content) => applying(choice, ['revert', choice.machine, disksOnly], content)),
  undo: (choice) => back(choice, 'undo'),
  redo: (choice) => back(choice, 'redo'),
  delete: (choice) => onPoint(choice, (id) => ({ args: ['delete', choice.machine, id] })),
  'delete a subtree': (choice) => onPoint(choice, (id) => ({ args: ['delete', choice.machine, id, '--subtree'] })),
  'delete several': (choice) =>
    onPoint(choice, (id) => onPoint(choice, (other) => ({ args: ['delete', choice.machine, id, other] }))),
  'delete for good': (choice) =>
    onPoint(choice, (id) => ({ args: ['delete', choice.machine, id, '--purge'], takes: [id] })),
  'delete a subtree for good': (choice) =>
    onPoint(choice, (id) => ({
      args: ['delete', choice.machine, id, '--subtree', '--purge'],
      takes: subtree(choice, id),
    })),
  restore: (choice) => inTrash(choice, (id) => ({ args: ['restore', choice.machine, id] })),
  'empty the trash': (choice) =>
    inTrash(choice, (_, all) => ({ args: ['trash', 'empty', choice.machine], takes: all })),
  'discard one': (choice) => inTrash(choice, (id) => ({ args: ['trash', 'empty', choice.machine, id], takes: [id] })),
  annotate: (choice) =>
    onPoint(choice, (id) => ({ args: ['annotate', choice.machine, id, '--pin', '--notes', `note ${choice.round}`] })),
  'set-group': ({ machine, round }) => ({ args: ['set-group', machine, `group ${round}`] }),
  rename: (choice) => onPoint(choice, (id) => ({ args: ['rename', choice.machine, id, `renamed ${choice.round}`] })),
  clone: (choice) => cloning(choice, []),
  'clone in full': (choice) => cloning(choice, ['--full']),
  'clone Now': ({ home, round }) => {
    const machine = `clone ${round}`;
    return { args: ['clone', source, machine], makes: { machine, content: home.get(source)?.now ?? '' } };
  },
  flatten: (choice) => onCopy(choice, (machine) => ({ args: ['flatten', machine] })),
  move: ({ machine, elsewhere, random }) => {
    const folder = pick(elsewhere, random);
    return folder === undefined ? undefined : { args: ['move', machine, folder] };
  },
  'move back': ({ machine, home }) =>
    home.get(machine)?.info.isMoved === true ? { args: ['move', machine, '--back'] } : undefined,
  'remove-machine': (choice) => onCopy(choice, (machine) => ({ args: ['remove-machine', machine], removes: machine })),
  export: ({ folder, round }) => {
    const exports = `${folder}/export ${round}`;
    return { args: ['export', source, exports], exports };
  },
  'export a checkpoint': (choice) =>
    onPoint(choice, (id) => ({
      args: ['export', choice.machine, `${choice.folder}/disks ${choice.round}`, '--checkpoint', id, '--to', 'vhdx'],
    })),
  import: ({ exported, random, round }) => {
    const found = pick([...exported], random);
    const machine = `import ${round}`;
    return found && { args: ['import', found[0], machine], makes: { machine, content: found[1] } };
  },
  'group take': ({ round }) => ({
    args: ['group', 'take', `group ${round}`, '--machine', source, '--machine', 'plain'],
  }),
  'group apply': (choice) =>
    onGroup(choice, (group, targets) => ({ args: ['group', 'apply', group, disksOnly], targets })),
  'group delete': (choice) => onGroup(choice, (group) => ({ args: ['group', 'delete', group] })),
  policy: ({ machine }) => ({ args: ['policy', machine, '--keep-last', '4'] }),
  prune: ({ home }) => ({
    args: ['prune'],
    takes: [...home.values()].flatMap(({ info }) =>
      info.checkpoints.filter(({ pinned, expires }) => pinned !== true && expires !== undefined).map(({ id }) => id),
    ),
  }),
  'pack memory': () => ({ args: ['pack-memory', source] }),
  doctor: () => ({ args: ['doctor', '--repair'] }),
};

function applying({ machine }: Choice, args: string[], content: string): KilledVerb {
  return { args, targets: { [machine]: content } };
}

function onPoint(
  { home, machine, random }: Choice,
  use: (id: string, content: string) => KilledVerb | undefined,
): KilledVerb | undefined {
  const found = home.get(machine);
  const id = pick(found?.info.checkpoints ?? [], random)?.id;
  return id === undefined ? undefined : use(id, found?.points.get(id) ?? '');
}

function onNow(
  { home, machine }: Choice,
  which: 'parent' | 'undo' | 'redo',
  use: (content: string, id: string) => KilledVerb,
): KilledVerb | undefined {
  const found = home.get(machine);
  const id = found?.info.now[which];
  return id === undefined ? undefined : use(found?.points.get(id) ?? '', id);
}

function back(choice: Choice, verb: 'undo' | 'redo'): KilledVerb | undefined {
  return onNow(choice, verb, (content, id) => ({
    ...applying(choice, [verb, choice.machine], content),
    takes: [id],
  }));
}

function inTrash(
  { home, machine, random }: Choice,
  use: (id: string, all: string[]) => KilledVerb,
): KilledVerb | undefined {
  const ids = (home.get(machine)?.info.trash ?? []).map(({ checkpoint }) => checkpoint.id);
  const id = pick(ids, random);
  return id === undefined ? undefined : use(id, ids);
}

function subtree({ home, machine }: Choice, top: string): string[] {
  const checkpoints = home.get(machine)?.info.checkpoints ?? [];
  const found = [top];
  for (const id of found) {
    found.push(...checkpoints.filter(({ parent }) => parent === id).map((one) => one.id));
  }
  return found;
}

function cloning(choice: Choice, options: string[]): KilledVerb | undefined {
  const machine = `clone ${choice.round}`;
  return onPoint({ ...choice, machine: source }, (id, content) => ({
    args: ['clone', source, id, machine, ...options],
    makes: { machine, content },
  }));
}

/** Machines that were cloned or imported. */
export function copies(home: HomeSnapshot): string[] {
  return [...home.keys()].filter((name) => name !== source && name !== 'plain');
}

function onCopy({ home, random }: Choice, use: (machine: string) => KilledVerb): KilledVerb | undefined {
  const machine = pick(copies(home), random);
  return machine === undefined ? undefined : use(machine);
}

function onGroup(
  { home, machine, random }: Choice,
  use: (group: string, contents: Record<string, string>) => KilledVerb,
): KilledVerb | undefined {
  const group = pick(
    (home.get(machine)?.info.checkpoints ?? []).flatMap((one) => one.group ?? []),
    random,
  );
  const members = [...home.values()].flatMap(({ info, points }) =>
    info.checkpoints
      .filter((one) => one.group === group)
      .map(({ id }): [string, string] => [info.name, points.get(id) ?? '']),
  );
  return group === undefined ? undefined : use(group, Object.fromEntries(members));
}
