import { CheckpointError, systemCode } from '../../model/checkpoint-error.ts';
import { writeStructure } from '../structure.ts';
import {
  blockStatus,
  blockStatusBytes,
  chunkType,
  errorChunk,
  errorChunkBytes,
  longestString,
  nbdError,
  offsetData,
  offsetDataBytes,
  offsetHole,
  offsetHoleBytes,
  simpleReply,
  simpleReplyBytes,
  simpleReplyMagic,
  structuredReply,
  structuredReplyBytes,
  structuredReplyDone,
  structuredReplyMagic,
} from './protocol.ts';
import { headroomBytes } from './transfer-buffers.ts';

/** "Error values", and a sentence for whoever sits at the client. */
export interface Refusal {
  error: number;
  message: string;
}

/** What a failed call of the disk means in the protocol's few words. */
export function refusalOf(thrown: unknown): Refusal {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  switch (thrown instanceof CheckpointError ? thrown.code : systemCode(thrown)) {
    case 'PermissionDenied':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return { error: nbdError.EPERM, message };
    case 'NotEnoughSpace':
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return { error: nbdError.ENOSPC, message };
    case 'InvalidArgument':
      return { error: nbdError.EINVAL, message };
    default:
      return { error: nbdError.EIO, message };
  }
}

/** "Simple reply message"; the data of a READ follows it. */
export function simpleReplyTo(cookie: bigint, error: number): Buffer {
  return writeSimpleHeader(Buffer.allocUnsafe(simpleReplyBytes), cookie, error);
}

/** `NBD_REPLY_TYPE_NONE`: the last word on a request that succeeded. */
export function noneChunk(cookie: bigint): Buffer {
  return chunkHeader(Buffer.allocUnsafe(structuredReplyBytes), chunkType.none, cookie, true);
}

/** `NBD_REPLY_TYPE_ERROR`, as the last chunk of a reply. */
export function errorReply(cookie: bigint, { error, message }: Refusal): Buffer {
  const text = Buffer.from(message.slice(0, longestString / 4), 'utf8');
  const buffer = chunkHeader(Buffer.allocUnsafe(errorChunkBytes + text.length), chunkType.error, cookie, true);
  writeStructure(buffer, errorChunk, { error, messageLength: text.length });
  text.copy(buffer, errorChunkBytes);
  return buffer;
}

/** `NBD_REPLY_TYPE_OFFSET_HOLE`. */
export function holeChunk(cookie: bigint, offset: number, length: number, isDone: boolean): Buffer {
  const buffer = chunkHeader(Buffer.allocUnsafe(offsetHoleBytes), chunkType.offsetHole, cookie, isDone);
  writeStructure(buffer, offsetHole, { offset: BigInt(offset), holeSize: length });
  return buffer;
}

/** `NBD_REPLY_TYPE_BLOCK_STATUS` for one context. @param descriptors as they go over the wire */
export function blockStatusChunk(cookie: bigint, contextId: number, descriptors: Buffer, isDone: boolean): Buffer {
  const buffer = chunkHeader(
    Buffer.allocUnsafe(blockStatusBytes + descriptors.length),
    chunkType.blockStatus,
    cookie,
    isDone,
  );
  writeStructure(buffer, blockStatus, { contextId });
  descriptors.copy(buffer, blockStatusBytes);
  return buffer;
}

/** `NBD_REPLY_TYPE_OFFSET_DATA` around data that is in place after the buffer's headroom. */
export function dataChunk(buffer: Buffer, cookie: bigint, offset: number, length: number, isDone: boolean): Buffer {
  const chunk = buffer.subarray(headroomBytes - offsetDataBytes, headroomBytes + length);
  chunkHeader(chunk, chunkType.offsetData, cookie, isDone);
  chunk.writeBigUInt64BE(BigInt(offset), offsetData.offset.offset);
  return chunk;
}

/** The simple reply to a READ around data that is in place after the buffer's headroom. */
export function simpleData(buffer: Buffer, cookie: bigint, length: number): Buffer {
  return writeSimpleHeader(buffer.subarray(headroomBytes - simpleReplyBytes, headroomBytes + length), cookie, 0);
}

// These two run for every request: field by field, not through an object of values.
function writeSimpleHeader(buffer: Buffer, cookie: bigint, error: number): Buffer {
  buffer.writeUInt32BE(simpleReplyMagic, simpleReply.magic.offset);
  buffer.writeUInt32BE(error, simpleReply.error.offset);
  buffer.writeBigUInt64BE(cookie, simpleReply.cookie.offset);
  return buffer;
}

/** Writes the header of a chunk that fills the buffer. */
function chunkHeader(buffer: Buffer, type: number, cookie: bigint, isDone: boolean): Buffer {
  buffer.writeUInt32BE(structuredReplyMagic, structuredReply.magic.offset);
  buffer.writeUInt16BE(isDone ? structuredReplyDone : 0, structuredReply.flags.offset);
  buffer.writeUInt16BE(type, structuredReply.type.offset);
  buffer.writeBigUInt64BE(cookie, structuredReply.cookie.offset);
  buffer.writeUInt32BE(buffer.length - structuredReplyBytes, structuredReply.length.offset);
  return buffer;
}
