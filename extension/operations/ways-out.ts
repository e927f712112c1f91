/** What to offer beside the sentence of an error, by its code. */
import type { EngineErrorCode } from '../engine/engine-error.ts';

export type WayOut =
  | 'retry'
  | 'start'
  | 'resume'
  | 'shutDown'
  | 'forceOff'
  | 'disksOnly'
  | 'discardState'
  | 'rawDisk'
  | 'refresh'
  | 'qemuSettings'
  | 'restartEngine'
  | 'showLog';

/** The most helpful first. Which of them the failed operation can take is for it to say. */
export function waysOut(code: EngineErrorCode): readonly WayOut[] {
  switch (code) {
    case 'Locked':
    case 'DiskInUse':
    case 'DownloadFailed':
      return ['retry', 'showLog'];
    case 'MachineRunning':
      return ['shutDown', 'refresh'];
    case 'MachinePaused':
      return ['resume', 'forceOff'];
    case 'MachineNotRunning':
      return ['start', 'refresh'];
    case 'GuestNotResponding':
      return ['forceOff', 'retry'];
    case 'MemoryNotCompatible':
      return ['disksOnly', 'discardState', 'showLog'];
    case 'NotADiskImage':
      return ['rawDisk', 'showLog'];
    case 'QemuNotFound':
    case 'FirmwareNotFound':
    case 'TpmNotFound':
      return ['qemuSettings', 'showLog'];
    case 'QmpTimeout':
      return ['retry', 'forceOff', 'showLog'];
    case 'GuestTooBusy':
      return ['retry', 'shutDown'];
    case 'NotEnoughSpace':
      return ['retry', 'showLog'];
    case 'MachineNotFound':
    case 'CheckpointNotFound':
    case 'AmbiguousName':
    case 'NothingToUndo':
    case 'NothingToRevert':
    case 'JobNotFound':
    case 'NothingToResume':
    case 'NothingToRedo':
    case 'NotInTrash':
    case 'MachineNotReachable':
    case 'HomeNotReachable':
    case 'MachineNotSaved':
      return ['refresh'];
    case 'InvalidArgument':
    case 'InvalidName':
    case 'NameInUse':
    case 'NotSupported':
    case 'HasClones':
      return [];
    case 'EngineNotRunning':
      return ['restartEngine', 'showLog'];
    case 'Cancelled':
    case 'EngineEnded':
      return [];
    case 'JobDamaged':
    case 'JobInterrupted':
    case 'MachineDamaged':
    case 'PermissionDenied':
    case 'DiskNotFound':
    case 'UnsupportedDisk':
    case 'ParentMismatch':
    case 'ParentNotAllowed':
    case 'ImageNotFound':
    case 'ImageDamaged':
    case 'QemuFailed':
    case 'Internal':
      return ['showLog'];
  }
}

/** True when the user needs no notification: they cancelled, or the engine's end is told by itself. */
export function isSilent(code: EngineErrorCode): boolean {
  return code === 'Cancelled' || code === 'EngineEnded';
}
