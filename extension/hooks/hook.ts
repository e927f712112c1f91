/** The setting `vmCheckpoints.hooks`: which tasks and debug sessions a checkpoint is to be taken before, read without believing it. */
import { plainType } from './part-of-session.ts';

export type OnFail = 'ask' | 'revert' | 'keep';

/** All that a hook names has to fit; one that names no task, type, group or debug type fits nothing. */
export interface Hook {
  machine: string;
  /** Label of a task. */
  task?: string;
  taskType?: string;
  /** `build`, `test`, … */
  taskGroup?: string;
  /** Type of a debug configuration; `*` for all. */
  debugType?: string;
  /** Of the checkpoint; by default it says what it was taken before. */
  name?: string;
  memory?: boolean;
  onFail: OnFail;
  keepLast?: number;
}

/** What a hook is asked about. */
export interface HookedTask {
  name: string;
  type: string;
  group?: string;
}

export interface ReadHooks {
  hooks: Hook[];
  /** Places of members that are no hooks, counted from 1. */
  wrong: number[];
}

export function readHooks(value: unknown): ReadHooks {
  const members: unknown[] = Array.isArray(value) ? value : [];
  const read = members.map(readHook);
  return {
    hooks: read.filter((hook) => hook !== undefined),
    wrong: read.flatMap((hook, index) => (hook === undefined ? [index + 1] : [])),
  };
}

/** The first hook that fits a task. */
export function hookOfTask(hooks: readonly Hook[], { name, type, group }: HookedTask): Hook | undefined {
  return hooks.find(
    (hook) =>
      hook.debugType === undefined &&
      [hook.task, hook.taskType, hook.taskGroup].some((wanted) => wanted !== undefined) &&
      (hook.task === undefined || hook.task === name) &&
      (hook.taskType === undefined || hook.taskType === type) &&
      (hook.taskGroup === undefined || hook.taskGroup === group),
  );
}

/** The first hook that fits a debug session. */
export function hookOfDebug(hooks: readonly Hook[], type: string): Hook | undefined {
  return hooks.find(({ debugType }) => debugType === '*' || debugType === type || debugType === plainType(type));
}

function readHook(value: unknown): Hook | undefined {
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  const members: Record<string, unknown> = { ...value };
  const { machine, onFail = 'ask', memory, keepLast } = members;
  const texts = ['task', 'taskType', 'taskGroup', 'debugType', 'name'] as const;
  const isRight =
    isText(machine) &&
    (onFail === 'ask' || onFail === 'revert' || onFail === 'keep') &&
    (memory === undefined || typeof memory === 'boolean') &&
    (keepLast === undefined || (typeof keepLast === 'number' && Number.isInteger(keepLast) && keepLast >= 1)) &&
    texts.every((member) => members[member] === undefined || isText(members[member])) &&
    ['task', 'taskType', 'taskGroup', 'debugType'].some((member) => members[member] !== undefined);
  if (!isRight) {
    return undefined;
  }
  const given = texts.flatMap((member): [string, string][] => {
    const text = members[member];
    return isText(text) ? [[member, text]] : [];
  });
  return {
    machine,
    onFail,
    ...Object.fromEntries(given),
    ...(memory === undefined ? {} : { memory }),
    ...(keepLast === undefined ? {} : { keepLast }),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}
