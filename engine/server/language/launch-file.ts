/** Debug sessions of a launch.json, or of the `launch` section of a workspace file, and the checkpoints before them. */
import { findNodeAtLocation, getNodeValue, parseTree, type JSONPath, type Node } from 'jsonc-parser';
import { changed, memberOf } from './json-edit.ts';
import { checkpointTask, type CheckpointTask } from './tasks-file.ts';

/** A configuration or a compound. Offsets in UTF-16 code units. */
export interface DebugSession {
  name: string;
  place: JSONPath;
  offset: number;
  length: number;
  isCompound: boolean;
  /** The task that runs first, as it is named; what identifies a task by its members is no text. */
  preLaunchTask?: { offset: number; length: number; value: unknown };
}

/** What a checkpoint before a debug session needs: tasks that are to be there, and the one that runs first from then on. */
export interface SessionGuard {
  kind: 'guard';
  preLaunchTask: string;
  tasks: { label: string }[];
}

/** Why it is not known which task runs first: only the start tells; the editor asks; or it takes the variable for a name. */
export type WhyUnknown = 'variable' | 'noDefaultBuildTask' | 'variableOfCompound';

/** What runs first: the label of a task, or the members that identify one; nothing; or it is not known. */
export type FirstTask = { kind: 'task'; task: unknown } | { kind: 'none' } | { kind: 'unknown'; why: WhyUnknown };

/** @param launch where `configurations` and `compounds` are in the text */
export function debugSessions(text: string, launch: JSONPath): DebugSession[] {
  const root = parseTree(text);
  return root === undefined
    ? []
    : ['configurations', 'compounds'].flatMap((list) => {
        const found = findNodeAtLocation(root, [...launch, list]);
        const sessions = found?.type === 'array' ? (found.children ?? []) : [];
        return sessions.flatMap((node, index) => sessionOf(node, [...launch, list, index], list === 'compounds'));
      });
}

/** The session that a place in the text is in. */
export function sessionAt(text: string, offset: number, launch: JSONPath): DebugSession | undefined {
  return debugSessions(text, launch).find((one) => one.offset <= offset && offset <= one.offset + one.length);
}

/**
 * The task that a session runs first, as other tasks can name it: their `dependsOn` knows no variables.
 * @param defaultBuildTask what that variable stands for; undefined where the editor asks
 */
export function firstTask({ preLaunchTask, isCompound }: DebugSession, defaultBuildTask: unknown): FirstTask {
  const task = preLaunchTask?.value;
  if (task === undefined || task === null || task === '') {
    return { kind: 'none' };
  }
  if (typeof task !== 'string' || !task.includes('${')) {
    return { kind: 'task', task };
  }
  if (isCompound) {
    return { kind: 'unknown', why: 'variableOfCompound' };
  }
  if (task !== '${defaultBuildTask}') {
    return { kind: 'unknown', why: 'variable' };
  }
  return defaultBuildTask === undefined
    ? { kind: 'unknown', why: 'noDefaultBuildTask' }
    : { kind: 'task', task: defaultBuildTask };
}

/**
 * How a session gets a checkpoint of a machine before it. A task that runs first already stays as it is, for whoever runs it
 * otherwise: the checkpoint and it become one task that runs them in this order.
 * @param taken the checkpoints that each task takes, by its label
 * @returns `guarded` when one is taken already
 */
export function guardSession(
  { name }: DebugSession,
  first: FirstTask,
  machine: string,
  taken: ReadonlyMap<string, readonly CheckpointTask[]>,
): SessionGuard | { kind: 'guarded' } | { kind: 'unknown'; why: WhyUnknown } {
  if (first.kind === 'unknown') {
    return first;
  }
  if (first.kind === 'none') {
    const before = checkpointTask(`checkpoint of ${machine} before ${name}`, { machine });
    return { kind: 'guard', preLaunchTask: before.label, tasks: [before] };
  }
  const { task } = first;
  if (takes(task, machine, taken)) {
    return { kind: 'guarded' };
  }
  const what = typeof task === 'string' ? task : `what runs before ${name}`;
  const before = checkpointTask(`checkpoint of ${machine} before ${what}`, { machine });
  const both = {
    label: `checkpoint of ${machine}, then ${what}`,
    dependsOn: [before.label, task],
    dependsOrder: 'sequence',
    problemMatcher: [],
  };
  return { kind: 'guard', preLaunchTask: both.label, tasks: [before, both] };
}

/** The text with another task that runs before a session of it. */
export function withPreLaunchTask(text: string, { place }: DebugSession, label: string): string {
  return changed(text, [...place, 'preLaunchTask'], label);
}

function takes(task: unknown, machine: string, taken: ReadonlyMap<string, readonly CheckpointTask[]>): boolean {
  return typeof task === 'string'
    ? taken.get(task)?.some(({ machines }) => machines.includes(machine)) === true
    : typeof task === 'object' && task !== null && 'machine' in task && task.machine === machine;
}

function sessionOf(node: Node, place: JSONPath, isCompound: boolean): DebugSession[] {
  const name = node.type === 'object' ? memberOf(node, 'name') : undefined;
  if (typeof name !== 'string') {
    return [];
  }
  const task = findNodeAtLocation(node, ['preLaunchTask']);
  const value: unknown = task && getNodeValue(task);
  const { offset, length } = node;
  return [
    {
      name,
      place,
      offset,
      length,
      isCompound,
      ...(task === undefined ? {} : { preLaunchTask: { offset: task.offset, length: task.length, value } }),
    },
  ];
}
