/** Which operations make sense for a machine, as far as the last listing tells; the engine decides. */
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';

export type MachineOperation =
  | 'start'
  | 'stop'
  | 'forceStop'
  | 'pause'
  | 'resume'
  | 'reset'
  | 'saveState'
  | 'discardState'
  | 'openConsole'
  | 'take'
  | 'apply'
  | 'revert'
  | 'undo'
  | 'redo'
  | 'delete'
  | 'annotate'
  | 'compare'
  | 'restore'
  | 'deleteForGood'
  | 'emptyTrash'
  | 'rename'
  | 'clone'
  | 'exportMachine'
  | 'exportCheckpoint'
  | 'move'
  | 'flatten'
  | 'mergeLayers'
  | 'editPolicy'
  | 'setGroup'
  | 'remove'
  | 'showCommand'
  | 'showDetails';

export type Obstacle =
  | 'damaged'
  | 'unreachable'
  | 'stopped'
  | 'saved'
  | 'notSaved'
  | 'running'
  | 'paused'
  | 'noCheckpoint'
  | 'noSecondCheckpoint'
  | 'nothingToUndo'
  | 'nothingToRedo'
  | 'emptyTrash'
  | 'disksOnly'
  | 'mustBeStopped';

/** What another program does to machines of plain disk images. */
const ofPower: readonly MachineOperation[] = [
  'start',
  'stop',
  'forceStop',
  'pause',
  'resume',
  'reset',
  'saveState',
  'discardState',
  'openConsole',
];

/** Why an operation cannot be done now; undefined when it can. */
export function obstacle(operation: MachineOperation, machine: MachineInfo): Obstacle | undefined {
  if (operation === 'remove') {
    return undefined;
  }
  if (machine.state === 'damaged' || machine.state === 'unreachable') {
    return machine.state;
  }
  if (machine.host === 'disks' && ofPower.includes(operation)) {
    return 'disksOnly';
  }
  switch (operation) {
    case 'start':
      return machine.state === 'stopped' || machine.state === 'saved' ? undefined : machine.state;
    case 'stop':
    case 'pause':
      return machine.state === 'running' ? undefined : machine.state;
    case 'forceStop':
    case 'reset':
    case 'saveState':
    case 'openConsole':
      return machine.state === 'stopped' || machine.state === 'saved' ? machine.state : undefined;
    case 'discardState':
      return machine.state === 'saved' ? undefined : 'notSaved';
    case 'resume':
      return machine.state === 'paused' ? undefined : machine.state;
    case 'revert':
      return parentOfNow(machine) === undefined ? 'noCheckpoint' : undefined;
    case 'clone':
      return !isOff(machine) && machine.checkpoints.length === 0 ? 'noCheckpoint' : undefined;
    case 'exportMachine':
    case 'move':
    case 'flatten':
      return isOff(machine) ? undefined : 'mustBeStopped';
    case 'apply':
    case 'exportCheckpoint':
    case 'delete':
    case 'annotate':
    case 'rename':
      return machine.checkpoints.length === 0 ? 'noCheckpoint' : undefined;
    case 'undo':
      return keptLast(machine) === undefined ? 'nothingToUndo' : undefined;
    case 'redo':
      return machine.now.redo === undefined ? 'nothingToRedo' : undefined;
    case 'restore':
    case 'emptyTrash':
      return machine.trash.length === 0 ? 'emptyTrash' : undefined;
    case 'deleteForGood':
      return machine.checkpoints.length === 0 && machine.trash.length === 0 ? 'noCheckpoint' : undefined;
    case 'compare':
      return machine.checkpoints.length < 2 ? 'noSecondCheckpoint' : undefined;
    case 'take':
    case 'mergeLayers':
    case 'editPolicy':
    case 'setGroup':
    case 'showCommand':
    case 'showDetails':
      return undefined;
  }
}

/** True when no process runs it. */
export function isOff({ state }: MachineInfo): boolean {
  return state === 'stopped' || state === 'saved';
}

/** The checkpoint that Now grew from, which a revert applies. */
export function parentOfNow(machine: MachineInfo): CheckpointInfo | undefined {
  return machine.checkpoints.find(({ id }) => id === machine.now.parent);
}

/** What the last apply or undo kept of Now, and an undo goes back to; absent when it has expired or there was none. */
export function keptLast(machine: MachineInfo): CheckpointInfo | undefined {
  return machine.checkpoints.find(({ id }) => id === machine.now.undo);
}
