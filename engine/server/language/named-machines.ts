import { findNodeAtLocation, parseTree, type Node } from 'jsonc-parser';
import { checkpointTaskType } from './tasks-file.ts';

/** A place in a JSON text where a machine or one of its checkpoints is named. Offsets in UTF-16 code units, quotes included. */
export interface NamedPlace {
  kind: 'machine' | 'checkpoint';
  offset: number;
  length: number;
  value: string;
  /** Of a checkpoint: the machine that is named beside it. */
  machine?: string;
}

const hooksSetting = 'vmCheckpoints.hooks';

/** Where a tasks.json, a settings.json or a workspace file names machines and checkpoints: in tasks that take one, and in hooks. */
export function namedPlaces(text: string): NamedPlace[] {
  const root = parseTree(text);
  return root === undefined ? [] : placesIn(root, false);
}

function placesIn(node: Node, isHook: boolean): NamedPlace[] {
  const children = node.children ?? [];
  if (node.type === 'object') {
    const isNaming = isHook || stringOf(node, 'type')?.value === checkpointTaskType;
    return [...(isNaming ? placesOf(node) : []), ...children.flatMap((one) => placesIn(one, false))];
  }
  if (node.type === 'property') {
    const [name, value] = children;
    const areHooks: boolean = name?.value === hooksSetting && value?.type === 'array';
    return areHooks
      ? (value?.children ?? []).flatMap((hook) => placesIn(hook, true))
      : value === undefined
        ? []
        : placesIn(value, false);
  }
  return children.flatMap((one) => placesIn(one, false));
}

function placesOf(object: Node): NamedPlace[] {
  const machine = stringOf(object, 'machine');
  const name = stringOf(object, 'name');
  const group = findNodeAtLocation(object, ['group']);
  const others = (group?.type === 'array' ? (group.children ?? []) : []).flatMap(asString);
  return [
    ...[...(machine === undefined ? [] : [machine]), ...others].map((one) => ({ kind: 'machine' as const, ...one })),
    ...(name === undefined || machine === undefined
      ? []
      : [{ kind: 'checkpoint' as const, ...name, machine: machine.value }]),
  ];
}

function stringOf(object: Node, member: string): Omit<NamedPlace, 'kind'> | undefined {
  const node = findNodeAtLocation(object, [member]);
  return node === undefined ? undefined : asString(node)[0];
}

function asString(node: Node): Omit<NamedPlace, 'kind'>[] {
  const value: unknown = node.value;
  return node.type === 'string' && typeof value === 'string'
    ? [{ offset: node.offset, length: node.length, value }]
    : [];
}
