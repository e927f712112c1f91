// The words and layouts of the NBD protocol, by the names in its specification (NetworkBlockDevice/nbd, doc/proto.md).

import type { StructureTable } from '../structure.ts';

/** "Newstyle negotiation": what the server says first. */
export const greeting = {
  initPasswd: { offset: 0, type: 'u64be' },
  optionMagic: { offset: 8, type: 'u64be' },
  handshakeFlags: { offset: 16, type: 'u16be' },
} as const satisfies StructureTable;
export const greetingBytes = 18;
export const initPasswd = 0x4e42444d41474943n;
export const optionMagic = 0x49484156454f5054n;

/** "Handshake flags" and "Client flags" share their bits. */
export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;
export const clientFlagsBytes = 4;

export const optionHeader = {
  magic: { offset: 0, type: 'u64be' },
  option: { offset: 8, type: 'u32be' },
  length: { offset: 12, type: 'u32be' },
} as const satisfies StructureTable;
export const optionHeaderBytes = 16;

/** "Option types". */
export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReplyHeader = {
  magic: { offset: 0, type: 'u64be' },
  option: { offset: 8, type: 'u32be' },
  type: { offset: 12, type: 'u32be' },
  length: { offset: 16, type: 'u32be' },
} as const satisfies StructureTable;
export const optionReplyHeaderBytes = 20;
export const optionReplyMagic = 0x3e889045565a9n;

/** "Option reply types". */
export const optionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errorUnsupported: 0x80000001,
  errorPolicy: 0x80000002,
  errorInvalid: 0x80000003,
  errorUnknown: 0x80000006,
  errorShutdown: 0x80000007,
  errorTooBig: 0x80000009,
} as const;

/** `NBD_REP_INFO`: the information types. */
export const infoType = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const infoExport = {
  type: { offset: 0, type: 'u16be' },
  size: { offset: 2, type: 'u64be' },
  transmissionFlags: { offset: 10, type: 'u16be' },
} as const satisfies StructureTable;
export const infoExportBytes = 12;

export const infoBlockSize = {
  type: { offset: 0, type: 'u16be' },
  minimum: { offset: 2, type: 'u32be' },
  preferred: { offset: 6, type: 'u32be' },
  maximumPayload: { offset: 10, type: 'u32be' },
} as const satisfies StructureTable;
export const infoBlockSizeBytes = 14;

/** The answer to `NBD_OPT_EXPORT_NAME`, which has no header. */
export const exportNameReply = {
  size: { offset: 0, type: 'u64be' },
  transmissionFlags: { offset: 8, type: 'u16be' },
} as const satisfies StructureTable;
export const exportNameReplyBytes = 10;
export const exportNameZeroes = 124;

/** "Transmission flags". */
export const transmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
  sendCache: 1024,
  sendFastZero: 2048,
} as const;

/** "Request message". */
export const requestHeader = {
  magic: { offset: 0, type: 'u32be' },
  commandFlags: { offset: 4, type: 'u16be' },
  type: { offset: 6, type: 'u16be' },
  cookie: { offset: 8, type: 'u64be' },
  offset: { offset: 16, type: 'u64be' },
  length: { offset: 24, type: 'u32be' },
} as const satisfies StructureTable;
export const requestHeaderBytes = 28;
export const requestMagic = 0x25609513;

/** "Request types". */
export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

/** "Command flags". */
export const commandFlag = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16 } as const;

/** "Simple reply message". */
export const simpleReply = {
  magic: { offset: 0, type: 'u32be' },
  error: { offset: 4, type: 'u32be' },
  cookie: { offset: 8, type: 'u64be' },
} as const satisfies StructureTable;
export const simpleReplyBytes = 16;
export const simpleReplyMagic = 0x67446698;

/** "Structured reply chunk message". */
export const structuredReply = {
  magic: { offset: 0, type: 'u32be' },
  flags: { offset: 4, type: 'u16be' },
  type: { offset: 6, type: 'u16be' },
  cookie: { offset: 8, type: 'u64be' },
  length: { offset: 16, type: 'u32be' },
} as const satisfies StructureTable;
export const structuredReplyBytes = 20;
export const structuredReplyMagic = 0x668e33ef;
export const structuredReplyDone = 1;

/** "Structured reply types". */
export const chunkType = { none: 0, offsetData: 1, offsetHole: 2, blockStatus: 5, error: 0x8001 } as const;

/** `NBD_REPLY_TYPE_OFFSET_DATA`, counted from the chunk's start: its header, and what precedes the data. */
export const offsetData = { offset: { offset: 20, type: 'u64be' } } as const satisfies StructureTable;
export const offsetDataBytes = 28;

/** `NBD_REPLY_TYPE_OFFSET_HOLE`, likewise. */
export const offsetHole = {
  offset: { offset: 20, type: 'u64be' },
  holeSize: { offset: 28, type: 'u32be' },
} as const satisfies StructureTable;
export const offsetHoleBytes = 32;

/** `NBD_REPLY_TYPE_ERROR`, likewise; its message follows. */
export const errorChunk = {
  error: { offset: 20, type: 'u32be' },
  messageLength: { offset: 24, type: 'u16be' },
} as const satisfies StructureTable;
export const errorChunkBytes = 26;

/** `NBD_REPLY_TYPE_BLOCK_STATUS`, likewise; then one descriptor for each extent. */
export const blockStatus = { contextId: { offset: 20, type: 'u32be' } } as const satisfies StructureTable;
export const blockStatusBytes = 24;
export const blockStatusDescriptor = {
  length: { offset: 0, type: 'u32be' },
  statusFlags: { offset: 4, type: 'u32be' },
} as const satisfies StructureTable;
export const blockStatusDescriptorBytes = 8;

/** Flags of the `base:allocation` metadata context. */
export const allocationState = { hole: 1, zero: 2 } as const;

/** "Error values". */
export const nbdError = {
  EPERM: 1,
  EIO: 5,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

/** "Conventions": strings are no longer. */
export const longestString = 4096;
