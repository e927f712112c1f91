/**
 * Stable error codes, the same in the editor, in `--json` and over RPC.
 * A code once published keeps its meaning; new ones are added at the end.
 */
export const errorCodes = [
  'InvalidArgument',
  'InvalidName',
  'NameInUse',
  'MachineNotFound',
  'CheckpointNotFound',
  'AmbiguousName',
  'MachineRunning',
  'MachineNotRunning',
  'MachineDamaged',
  'Locked',
  'NotEnoughSpace',
  'PermissionDenied',
  'DiskNotFound',
  'NotADiskImage',
  'UnsupportedDisk',
  'DiskInUse',
  'ParentMismatch',
  'ParentNotAllowed',
  'ImageNotFound',
  'ImageDamaged',
  'DownloadFailed',
  'QemuNotFound',
  'QemuFailed',
  'QmpTimeout',
  'GuestNotResponding',
  'MemoryNotCompatible',
  'NothingToUndo',
  'NothingToRevert',
  'Cancelled',
  'Internal',
  'MachinePaused',
  'JobNotFound',
  'JobDamaged',
  'JobInterrupted',
  'NothingToResume',
  'NotSupported',
  'NothingToRedo',
  'NotInTrash',
  'HasClones',
  'FirmwareNotFound',
  'TpmNotFound',
  'MachineNotReachable',
  'MachineNotSaved',
  'GuestTooBusy',
  'HomeNotReachable',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** The `data` member of a JSON-RPC error response, and the `error` member of `--json` output. */
export interface WireError {
  code: ErrorCode;
  /** A sentence for the user: what happened and what to do. */
  message: string;
  /**
   * Facts behind the sentence (paths, expected and found values, bytes short), by code; where it is put together of such,
   * `sentences` has it as a list of `Saying`.
   */
  data: Record<string, unknown>;
}

/** JSON-RPC error code of every answer that carries a {@link WireError} (server-defined range, JSON-RPC 2.0 section 5.1). */
export const checkpointErrorRpcCode = -32050;
