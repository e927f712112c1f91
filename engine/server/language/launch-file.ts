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
  /** The task that runs first, as it is named; what identifies a task by its members is no text. */
  preLaunchTask?: { offset: number; length: number; value: unknown };
}

/** What a checkpoint before a debug session needs: tasks that are to be there, and the one that runs first from then on. */
export interface SessionGuard {
  preLaunchTask: string;
  tasks: { label: string }[];
}

/** @param launch where `configurations` and `compounds` are in the text */
export function debugSessions(text: string, launch: JSONPath): DebugSession[] {
  const root = parseTree(text);
  return root === undefined
    ? []
    : ['configurations', 'compounds'].flatMap((list) => {
        const found = findNodeAtLocation(root, [...launch, list]);
        const sessions = found?.type === 'array' ? (found.children ?? []) : [];
        return sessions.flatMap((node, index) => sessionOf(node, [...launch, list, index]));
      });
}

/** The session that a place in the text is in. */
export function sessionAt(text: string, offset: number, launch: JSONPath): DebugSession | undefined {
  return debugSessions(text, launch).find((one) => one.offset <= offset && offset <= one.offset + one.length);
}

/**
 * How a session gets a checkpoint of a machine before it. A task that runs first already stays as it is, for whoever runs it
 * otherwise: the checkpoint and it become one task that runs them in this order.
 * @param taken the checkpoints that each task takes, by its label
 * @returns undefined when one is taken already, or when what runs first is known only once the session starts
 */
export function guardSession(
  { name, preLaunchTask }: DebugSession,
  machine: string,
  taken: ReadonlyMap<string, readonly CheckpointTask[]>,
): SessionGuard | undefined {
  const first = preLaunchTask?.value;
  if (first === undefined || first === null || first === '') {
    const before = checkpointTask(`checkpoint of ${machine} before ${name}`, { machine });
    return { preLaunchTask: before.label, tasks: [before] };
  }
  if (isKnownLater(first) || takes(first, machine, taken)) {
    return undefined;
  }
  const what = typeof first === 'string' ? first : `what runs before ${name}`;
  const before = checkpointTask(`checkpoint of ${machine} before ${what}`, { machine });
  const both = {
    label: `checkpoint of ${machine}, then ${what}`,
    dependsOn: [before.label, first],
    dependsOrder: 'sequence',
    problemMatcher: [],
  };
  return { preLaunchTask: both.label, tasks: [before, both] };
}

/** The text with another task that runs before a session of it. */
export function withPreLaunchTask(text: string, { place }: DebugSession, label: string): string {
  return changed(text, [...place, 'preLaunchTask'], label);
}

/** What it names is a variable of the editor. */
function isKnownLater(task: unknown): boolean {
  return typeof task === 'string' && task.includes('${');
}

function takes(task: unknown, machine: string, taken: ReadonlyMap<string, readonly CheckpointTask[]>): boolean {
  return typeof task === 'string'
    ? taken.get(task)?.some(({ machines }) => machines.includes(machine)) === true
    : typeof task === 'object' && task !== null && 'machine' in task && task.machine === machine;
}

function sessionOf(node: Node, place: JSONPath): DebugSession[] {
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
      ...(task === undefined ? {} : { preLaunchTask: { offset: task.offset, length: task.length, value } }),
    },
  ];
}
