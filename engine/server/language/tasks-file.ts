import {
  applyEdits,
  findNodeAtLocation,
  getNodeValue,
  modify,
  parseTree,
  type JSONPath,
  type Node,
} from 'jsonc-parser';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { GuardTaskParams, GuardTaskResult } from '../../protocol/language.ts';

/** The task type; as in the extension's contributions. */
export const checkpointTaskType = 'vm-checkpoint';

/**
 * Lets a task of a tasks.json depend on a checkpoint that is taken before it. Comments and layout stay.
 * @throws InvalidArgument when the text is no tasks.json
 */
export function guardTask({ text, label, definition, checkpoint }: GuardTaskParams): GuardTaskResult {
  const tasks = tasksOf(text);
  const index = tasks.findIndex((task) => isTask(task, label, definition));
  const task = tasks[index];
  if (task !== undefined && dependsOnCheckpoint(tasks, task, checkpoint.machine)) {
    return { kind: 'guarded' };
  }
  const checkpointLabel = `checkpoint of ${checkpoint.machine} before ${label}`;
  const dependsOn = [checkpointLabel, ...(task === undefined ? [] : dependenciesOf(task))];
  let edited = text;
  if (task === undefined) {
    const added = { ...definition, label, dependsOn, dependsOrder: 'sequence', problemMatcher: [] };
    edited = changed(edited, ['tasks', tasks.length], added, true);
  } else {
    edited = changed(edited, ['tasks', index, 'dependsOn'], dependsOn);
    edited = changed(edited, ['tasks', index, 'dependsOrder'], 'sequence');
  }
  if (!tasks.some((one) => memberOf(one, 'label') === checkpointLabel)) {
    const before = { label: checkpointLabel, type: checkpointTaskType, ...checkpoint, problemMatcher: [] };
    edited = changed(edited, ['tasks', Math.max(0, index)], before, true);
  }
  return { kind: 'edited', text: edited };
}

/** The task of a tasks.json that a place in its text is in, unless it takes a checkpoint itself. */
export function taskAt(text: string, offset: number): { label: string } | undefined {
  const found = parseTree(text);
  const list = found && findNodeAtLocation(found, ['tasks']);
  const task = list?.children?.find((one) => one.offset <= offset && offset <= one.offset + one.length);
  const label = task && memberOf(task, 'label');
  return task === undefined || typeof label !== 'string' || memberOf(task, 'type') === checkpointTaskType
    ? undefined
    : { label };
}

function tasksOf(text: string): Node[] {
  const root = parseTree(text);
  const list = root && findNodeAtLocation(root, ['tasks']);
  if (root?.type !== 'object' || (list !== undefined && list.type !== 'array')) {
    throw new CheckpointError('InvalidArgument', 'This tasks.json holds no list of tasks. Mend it first.', {
      field: 'tasks',
    });
  }
  return list?.children ?? [];
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

function memberOf(object: Node, name: string): unknown {
  const node = findNodeAtLocation(object, [name]);
  const value: unknown = node && getNodeValue(node);
  return value;
}

function changed(text: string, place: JSONPath, value: unknown, isArrayInsertion = false): string {
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const formattingOptions = {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  return applyEdits(text, modify(text, place, value, { isArrayInsertion, formattingOptions }));
}
