import { findNodeAtLocation, getNodeValue, parseTree, type JSONPath, type Node } from 'jsonc-parser';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { GuardTaskParams, GuardTaskResult } from '../../protocol/language.ts';
import { changed, memberOf } from './json-edit.ts';

/** The task type; as in the extension's contributions. */
export const checkpointTaskType = 'vm-checkpoint';

/** Members that say how a task runs, and not which it is. */
const membersOfEveryTask: ReadonlySet<string> = new Set([
  'dependsOn',
  'dependsOrder',
  'detail',
  'group',
  'hide',
  'icon',
  'isBackground',
  'options',
  'presentation',
  'problemMatcher',
  'promptOnClose',
  'runOptions',
]);

/** A text with tasks, and where in it their list is. */
export interface TasksText {
  text: string;
  list: JSONPath;
}

/** A task that takes a checkpoint, of one machine or of several together. */
export interface CheckpointTask {
  label: string;
  machines: string[];
  /** Of the checkpoint; absent for date and time. */
  name?: string;
}

/**
 * Lets a task depend on a checkpoint that is taken before it. Comments and layout stay.
 * @param list where the list of tasks is
 * @throws InvalidArgument when the text is no tasks.json
 */
export function guardTask(
  { text, label, definition, checkpoint }: GuardTaskParams,
  list: JSONPath = ['tasks'],
): GuardTaskResult {
  const tasks = tasksOf({ text, list });
  const index = tasks.findIndex((task) => isTask(task, label, definition));
  const task = tasks[index];
  if (task !== undefined && dependsOnCheckpoint(tasks, task, checkpoint.machine)) {
    return { kind: 'guarded' };
  }
  const before = checkpointTask(`checkpoint of ${checkpoint.machine} before ${label}`, checkpoint);
  const dependsOn = [before.label, ...(task === undefined ? [] : dependenciesOf(task))];
  let edited = text;
  if (task === undefined) {
    const added = { ...definition, label, dependsOn, dependsOrder: 'sequence', problemMatcher: [] };
    edited = changed(edited, [...list, tasks.length], added, true);
  } else {
    edited = changed(edited, [...list, index, 'dependsOn'], dependsOn);
    edited = changed(edited, [...list, index, 'dependsOrder'], 'sequence');
  }
  if (!tasks.some((one) => memberOf(one, 'label') === before.label)) {
    edited = changed(edited, [...list, Math.max(0, index)], before, true);
  }
  return { kind: 'edited', text: edited };
}

/** What a file holds of a task that takes a checkpoint. */
export function checkpointTask<T extends { machine: string }>(
  label: string,
  checkpoint: T,
): T & { label: string; type: string; problemMatcher: never[] } {
  return { label, type: checkpointTaskType, ...checkpoint, problemMatcher: [] };
}

/**
 * Adds tasks at the end, but for those whose label is there already.
 * @throws InvalidArgument when the text is no tasks.json
 */
export function withTasks({ text, list }: TasksText, added: readonly { label: string }[]): string {
  const tasks = tasksOf({ text, list });
  const labels = tasks.map((task) => memberOf(task, 'label'));
  const missing = added.filter(({ label }) => !labels.includes(label));
  const version = [...list.slice(0, -1), 'version'];
  const root = parseTree(text);
  const start = root && findNodeAtLocation(root, version) ? text : changed(text, version, '2.0.0');
  return missing.reduce((edited, task, index) => changed(edited, [...list, tasks.length + index], task, true), start);
}

/** The task that a place in a text is in, unless it takes a checkpoint itself. */
export function taskAt(text: string, offset: number, list: JSONPath = ['tasks']): { label: string } | undefined {
  const task = readTasks({ text, list }).find((one) => one.offset <= offset && offset <= one.offset + one.length);
  const label = task && memberOf(task, 'label');
  return task === undefined || typeof label !== 'string' || memberOf(task, 'type') === checkpointTaskType
    ? undefined
    : { label };
}

/** Of each task of a text that takes checkpoints when it is run, itself or by what it depends on: which. By label, in the text's order. */
export function checkpointsByLabel(text: TasksText): Map<string, CheckpointTask[]> {
  const tasks = new Map(
    readTasks(text).flatMap((task): [string, Node][] => {
      const label = memberOf(task, 'label');
      return typeof label === 'string' ? [[label, task]] : [];
    }),
  );
  const found = [...tasks.keys()].map((label): [string, CheckpointTask[]] => [label, takenBy(label, tasks, new Set())]);
  return new Map(found.filter(([, taken]) => taken.length > 0));
}

/**
 * What `${defaultBuildTask}` stands for: the label of the task that is marked so, or what identifies one that another
 * extension provides.
 * @returns undefined when there is not one such task, so that the editor asks
 */
export function defaultBuildTask(text: TasksText): string | Record<string, unknown> | undefined {
  const [task, ...others] = readTasks(text).filter((one) => {
    const group = memberOf(one, 'group');
    return (
      isRecord(group) && group['kind'] === 'build' && group['isDefault'] !== undefined && group['isDefault'] !== false
    );
  });
  const group = task && memberOf(task, 'group');
  // A default for some files only is known once one is open.
  return task === undefined || others.length > 0 || !isRecord(group) || group['isDefault'] !== true
    ? undefined
    : identifierOf(task);
}

/** As other tasks name it in `dependsOn`; undefined for one whose name the editor makes up. */
function identifierOf(task: Node): string | Record<string, unknown> | undefined {
  const members: unknown = getNodeValue(task);
  if (!isRecord(members)) {
    return undefined;
  }
  const { label, type } = members;
  if (typeof label === 'string') {
    return label;
  }
  return typeof type !== 'string' || ['shell', 'process'].includes(type)
    ? undefined
    : Object.fromEntries(Object.entries(members).filter(([name]) => !membersOfEveryTask.has(name)));
}

function takenBy(label: string, tasks: ReadonlyMap<string, Node>, seen: Set<string>): CheckpointTask[] {
  const task = tasks.get(label);
  if (task === undefined || seen.has(label)) {
    return [];
  }
  seen.add(label);
  const before = dependenciesOf(task).flatMap((one) => (typeof one === 'string' ? takenBy(one, tasks, seen) : []));
  return [...before, ...ofCheckpoint(label, task)];
}

function ofCheckpoint(label: string, task: Node): CheckpointTask[] {
  const machine = memberOf(task, 'machine');
  if (memberOf(task, 'type') !== checkpointTaskType || typeof machine !== 'string') {
    return [];
  }
  const group = memberOf(task, 'group');
  const others = Array.isArray(group) ? group.filter((one): one is string => typeof one === 'string') : [];
  const name = memberOf(task, 'name');
  return [{ label, machines: [...new Set([machine, ...others])], ...(typeof name === 'string' ? { name } : {}) }];
}

function tasksOf({ text, list }: TasksText): Node[] {
  const root = parseTree(text);
  const found = root && findNodeAtLocation(root, list);
  if (root?.type !== 'object' || (found !== undefined && found.type !== 'array')) {
    throw new CheckpointError('InvalidArgument', 'This tasks.json holds no list of tasks. Mend it first.', {
      field: 'tasks',
    });
  }
  return found?.children ?? [];
}

/** As far as the text can be read. */
function readTasks({ text, list }: TasksText): Node[] {
  const root = parseTree(text);
  const found = root && findNodeAtLocation(root, list);
  return found?.type === 'array' ? (found.children ?? []) : [];
}

/** By its label, or as what another extension provides: of the same type, with the same members. */
function isTask(task: Node, label: string, { type, script }: Record<string, unknown>): boolean {
  const own = memberOf(task, 'label');
  return own === undefined
    ? script !== undefined && memberOf(task, 'type') === type && memberOf(task, 'script') === script
    : own === label;
}

function dependsOnCheckpoint(tasks: readonly Node[], task: Node, machine: string): boolean {
  const dependencies = dependenciesOf(task);
  const isInOrder = dependencies.length === 1 || memberOf(task, 'dependsOrder') === 'sequence';
  return (
    isInOrder &&
    tasks.some(
      (one) =>
        memberOf(one, 'type') === checkpointTaskType &&
        memberOf(one, 'machine') === machine &&
        dependencies.includes(memberOf(one, 'label')),
    )
  );
}

function dependenciesOf(task: Node): unknown[] {
  const dependsOn = memberOf(task, 'dependsOn');
  return dependsOn === undefined ? [] : Array.isArray(dependsOn) ? dependsOn : [dependsOn];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
