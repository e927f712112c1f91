import { readField } from '../structure.ts';
import type { Agreement } from './handshake.ts';
import type { NbdExport } from './exported-disk.ts';
import { nbdLimits } from './limits.ts';
import { command, commandFlag, nbdError, requestHeader } from './protocol.ts';
import type { Refusal } from './replies.ts';

/** "Request message". */
export interface Request {
  flags: number;
  type: number;
  cookie: bigint;
  /** In bytes. What does not fit a number exactly is beyond any disk's end all the same. */
  offset: number;
  length: number;
}

/** Reads a request's header, the magic of which was checked. */
export function readRequest(buffer: Buffer, at: number): Request {
  return {
    flags: readField(buffer, requestHeader.commandFlags, at),
    type: readField(buffer, requestHeader.type, at),
    cookie: readField(buffer, requestHeader.cookie, at),
    offset: Number(readField(buffer, requestHeader.offset, at)),
    length: readField(buffer, requestHeader.length, at),
  };
}

interface Rule {
  /** Command flags besides FUA, which goes with every command. */
  flags: number;
  isWriting: boolean;
  /** The error beyond the end of the disk; absent where offset and length mean nothing. */
  beyondEnd?: number;
  longestBytes?: number;
}

/** "Request types": what each may ask. */
const rules: Readonly<Record<number, Rule>> = {
  [command.read]: {
    flags: commandFlag.df,
    isWriting: false,
    beyondEnd: nbdError.EINVAL,
    longestBytes: nbdLimits.payloadBytes,
  },
  [command.write]: { flags: 0, isWriting: true, beyondEnd: nbdError.ENOSPC, longestBytes: nbdLimits.payloadBytes },
  [command.flush]: { flags: 0, isWriting: false },
  [command.trim]: { flags: 0, isWriting: true, beyondEnd: nbdError.EINVAL },
  [command.cache]: {
    flags: 0,
    isWriting: false,
    beyondEnd: nbdError.EINVAL,
    longestBytes: nbdLimits.payloadBytes,
  },
  [command.writeZeroes]: {
    flags: commandFlag.noHole | commandFlag.fastZero,
    isWriting: true,
    beyondEnd: nbdError.ENOSPC,
  },
  [command.blockStatus]: { flags: commandFlag.reqOne, isWriting: false, beyondEnd: nbdError.EINVAL },
};

/** Why a request is not carried out; undefined for one that is. Decides only by the request and what was agreed on. */
export function refusalFor(request: Request, disk: NbdExport, agreement: Agreement): Refusal | undefined {
  const rule = rules[request.type];
  if (rule === undefined) {
    return { error: nbdError.EINVAL, message: `There is no request type ${request.type}.` };
  }
  if ((request.flags & ~(rule.flags | commandFlag.fua)) !== 0) {
    return { error: nbdError.EINVAL, message: `The request has flags that do not belong to it: ${request.flags}.` };
  }
  if (rule.isWriting && disk.isReadOnly) {
    return { error: nbdError.EPERM, message: 'The disk is served read-only.' };
  }
  const sizeBytes = disk.chain[0].virtualSizeBytes;
  if (rule.beyondEnd !== undefined && (request.offset > sizeBytes || request.length > sizeBytes - request.offset)) {
    return { error: rule.beyondEnd, message: `The range reaches beyond the end of the disk, ${sizeBytes}.` };
  }
  if (request.length > (rule.longestBytes ?? Infinity)) {
    return { error: nbdError.EINVAL, message: `The request is longer than ${nbdLimits.payloadBytes} bytes.` };
  }
  return request.type === command.blockStatus
    ? blockStatusRefusal(request, agreement)
    : fragmentationRefusal(request, agreement);
}

function blockStatusRefusal(request: Request, agreement: Agreement): Refusal | undefined {
  return agreement.contexts.length === 0 || request.length === 0
    ? { error: nbdError.EINVAL, message: 'Block status needs a metadata context, and a length.' }
    : undefined;
}

function fragmentationRefusal(request: Request, agreement: Agreement): Refusal | undefined {
  if ((request.flags & commandFlag.df) !== 0) {
    if (!agreement.hasStructuredReplies) {
      return { error: nbdError.EINVAL, message: 'Without structured replies nothing is fragmented.' };
    }
    if (request.length > nbdLimits.pieceBytes) {
      return { error: nbdError.EOVERFLOW, message: `More than ${nbdLimits.pieceBytes} bytes come in fragments.` };
    }
  }
  if ((request.flags & commandFlag.fastZero) !== 0) {
    // Whether zeros are stored depends on format and alignment; the client then writes as it would have without.
    return { error: nbdError.ENOTSUP, message: 'Zeros may have to be written.' };
  }
  return undefined;
}
