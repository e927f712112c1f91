import type { ErrorCode, WireError } from '../protocol/errors.ts';

/**
 * The one error that reaches users. `message` is a sentence that says what happened and what to do;
 * `data` holds the facts behind it. Anything else that is thrown is a defect and is reported as `Internal`.
 */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly code: ErrorCode;
  readonly data: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** What goes over RPC and into `--json` for whatever was thrown. */
export function toWireError(thrown: unknown): WireError {
  if (thrown instanceof CheckpointError) {
    return { code: thrown.code, message: thrown.message, data: thrown.data };
  }
  if (isAbort(thrown)) {
    return { code: 'Cancelled', message: 'Cancelled. Nothing was changed.', data: {} };
  }
  const systemError = fromSystemError(thrown);
  if (systemError !== undefined) {
    return { code: systemError.code, message: systemError.message, data: systemError.data };
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    code: 'Internal',
    message: `Something unexpected went wrong: ${firstLine(reason)} The log has the details.`,
    data: {},
  };
}

/** True for what an aborted signal throws. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

/** The Node system error code (`ENOENT`, …) of what was thrown, if it is one. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}

function fromSystemError(thrown: unknown): CheckpointError | undefined {
  const code = systemCode(thrown);
  const path = thrown instanceof Error && 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : undefined;
  const place = path === undefined ? '' : ` (${path})`;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new CheckpointError(
        'PermissionDenied',
        `Not allowed to write or read a file that is needed${place}. Check the permissions of the folder and try again.`,
        { path, systemCode: code },
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new CheckpointError('NotEnoughSpace', `The volume is full${place}. Free some space and try again.`, {
        path,
        systemCode: code,
      });
    case 'EFBIG':
      return new CheckpointError(
        'NotEnoughSpace',
        `The volume does not take a file so large${place}, or a limit of the user forbids it. Use another volume.`,
        { path, systemCode: code },
      );
    case 'EIO':
      return new CheckpointError(
        'Internal',
        `The device could not be read or written${place}: it may be failing. Save what is on it, and look into the system's log.`,
        { path, systemCode: code },
      );
    case 'EMFILE':
    case 'ENFILE':
      return new CheckpointError(
        'Internal',
        `More files are open than the system allows${place}. Raise the limit (ulimit -n), or merge layers of the chain.`,
        { path, systemCode: code },
      );
    default:
      return undefined;
  }
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
