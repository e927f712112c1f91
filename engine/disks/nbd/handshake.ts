import type { Socket } from 'node:net';
import { readField, writeStructure } from '../structure.ts';
import {
  blockSizeInfo,
  exportInfo,
  metaContextId,
  metaContextNames,
  transmissionFlags,
  type MetaContext,
  type NbdExport,
} from './exported-disk.ts';
import { ClientDropped, type HandshakeInput } from './handshake-input.ts';
import { nbdLimits } from './limits.ts';
import {
  clientFlagsBytes,
  exportNameReply,
  exportNameReplyBytes,
  exportNameZeroes,
  greeting,
  greetingBytes,
  handshakeFlag,
  infoType,
  initPasswd,
  option,
  optionHeader,
  optionHeaderBytes,
  optionMagic,
  optionReply,
  optionReplyHeader,
  optionReplyHeaderBytes,
  optionReplyMagic,
} from './protocol.ts';

/** What a client and the server agreed on. */
export interface Agreement {
  hasStructuredReplies: boolean;
  contexts: readonly MetaContext[];
}

interface Negotiation extends Agreement {
  socket: Socket;
  disk: NbdExport;
  /** The export for which the contexts were chosen: they hold for no other name. */
  contextsOf: string | undefined;
  hasNoZeroes: boolean;
}

/**
 * Fixed newstyle negotiation.
 * @returns what was agreed on; undefined when the client took its leave
 * @throws ClientDropped for a client that breaks the protocol or a limit
 */
export async function negotiate(
  socket: Socket,
  input: HandshakeInput,
  disk: NbdExport,
): Promise<Agreement | undefined> {
  greet(socket);
  const clientFlags = (await input.take(clientFlagsBytes)).readUInt32BE(0);
  if ((clientFlags & ~(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes)) !== 0) {
    throw new ClientDropped('Unknown client flags.');
  }
  const state: Negotiation = {
    socket,
    disk,
    hasStructuredReplies: false,
    contexts: [],
    contextsOf: undefined,
    hasNoZeroes: (clientFlags & handshakeFlag.noZeroes) !== 0,
  };
  for (let count = 0; count < nbdLimits.options; count++) {
    const header = await input.take(optionHeaderBytes);
    if (readField(header, optionHeader.magic) !== optionMagic) {
      throw new ClientDropped('Not an option.');
    }
    const asked = readField(header, optionHeader.option);
    const length = readField(header, optionHeader.length);
    if (length > nbdLimits.payloadBytes) {
      throw new ClientDropped('An option without end.');
    }
    if (length > nbdLimits.optionBytes) {
      await input.skip(length);
      refuse(state, asked, optionReply.errorTooBig, `An option's data has at most ${nbdLimits.optionBytes} bytes.`);
      continue;
    }
    const outcome = answer(state, asked, await input.take(length));
    if (outcome === 'transmit') {
      return { hasStructuredReplies: state.hasStructuredReplies, contexts: state.contexts };
    }
    if (outcome === 'leave') {
      return undefined;
    }
  }
  throw new ClientDropped('Too many options.');
}

/** Answers one option. @returns how the negotiation goes on */
function answer(state: Negotiation, asked: number, data: Buffer): 'more' | 'transmit' | 'leave' {
  switch (asked) {
    case option.exportName:
      return answerExportName(state, data);
    case option.abort:
      reply(state, asked, optionReply.ack);
      return 'leave';
    case option.list:
      answerList(state, asked, data);
      return 'more';
    case option.info:
    case option.go:
      return answerInfo(state, asked, data) && asked === option.go ? 'transmit' : 'more';
    case option.structuredReply:
      if (data.length > 0) {
        refuse(state, asked, optionReply.errorInvalid, 'This option has no data.');
      } else {
        state.hasStructuredReplies = true;
        reply(state, asked, optionReply.ack);
      }
      return 'more';
    case option.listMetaContext:
    case option.setMetaContext:
      answerMetaContext(state, asked, data);
      return 'more';
    case option.startTls:
      refuse(state, asked, optionReply.errorPolicy, 'The socket is private; there is no TLS.');
      return 'more';
    default:
      refuse(state, asked, optionReply.errorUnsupported, 'This server does not know the option.');
      return 'more';
  }
}

function answerExportName(state: Negotiation, data: Buffer): 'transmit' {
  const name = data.toString('utf8');
  if (!isKnown(state.disk, name)) {
    throw new ClientDropped('No such export.');
  }
  const zeroes = state.hasNoZeroes ? 0 : exportNameZeroes;
  const answered = Buffer.alloc(exportNameReplyBytes + zeroes);
  writeStructure(answered, exportNameReply, {
    size: BigInt(state.disk.chain[0].virtualSizeBytes),
    transmissionFlags: transmissionFlags(state.disk, state.hasStructuredReplies),
  });
  state.socket.write(answered);
  enter(state, name);
  return 'transmit';
}

function answerList(state: Negotiation, asked: number, data: Buffer): void {
  if (data.length > 0) {
    refuse(state, asked, optionReply.errorInvalid, 'This option has no data.');
    return;
  }
  const name = Buffer.from(state.disk.name, 'utf8');
  reply(state, asked, optionReply.server, counted(name), Buffer.from(state.disk.description, 'utf8'));
  reply(state, asked, optionReply.ack);
}

/** `NBD_OPT_INFO` and `NBD_OPT_GO`. @returns whether the export exists and the data could be read */
function answerInfo(state: Negotiation, asked: number, data: Buffer): boolean {
  const text = new OptionData(data);
  const name = text.string();
  const wanted = text.list16();
  if (name === undefined || wanted === undefined || !text.isAtEnd) {
    refuse(state, asked, optionReply.errorInvalid, 'The lengths in the option do not fit its data.');
    return false;
  }
  if (!isKnown(state.disk, name)) {
    refuse(state, asked, optionReply.errorUnknown, 'There is no export of this name.');
    return false;
  }
  reply(state, asked, optionReply.info, exportInfo(state.disk, state.hasStructuredReplies));
  if (wanted.includes(infoType.name)) {
    reply(state, asked, optionReply.info, typed(infoType.name), Buffer.from(state.disk.name, 'utf8'));
  }
  if (wanted.includes(infoType.description)) {
    reply(state, asked, optionReply.info, typed(infoType.description), Buffer.from(state.disk.description, 'utf8'));
  }
  if (wanted.includes(infoType.blockSize)) {
    reply(state, asked, optionReply.info, blockSizeInfo());
  }
  reply(state, asked, optionReply.ack);
  if (asked === option.go) {
    enter(state, name);
  }
  return true;
}

/** `NBD_OPT_LIST_META_CONTEXT` and `NBD_OPT_SET_META_CONTEXT`. */
function answerMetaContext(state: Negotiation, asked: number, data: Buffer): void {
  const isSetting = asked === option.setMetaContext;
  if (isSetting) {
    // "Replaces all previously-set metadata contexts (including when this command fails)".
    state.contexts = [];
    state.contextsOf = undefined;
  }
  const text = new OptionData(data);
  const name = text.string();
  const queries = text.strings();
  if (!state.hasStructuredReplies || name === undefined || queries === undefined || !text.isAtEnd) {
    refuse(state, asked, optionReply.errorInvalid, 'Structured replies come first, and lengths must fit the data.');
    return;
  }
  if (!isKnown(state.disk, name)) {
    refuse(state, asked, optionReply.errorUnknown, 'There is no export of this name.');
    return;
  }
  const found = metaContextNames.filter((context) =>
    isSetting
      ? queries.includes(context)
      : queries.length === 0 || queries.includes(context) || queries.includes(`${context.split(':', 1).join('')}:`),
  );
  for (const context of found) {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(isSetting ? metaContextId(context) : 0);
    reply(state, asked, optionReply.metaContext, id, Buffer.from(context, 'utf8'));
  }
  if (isSetting) {
    state.contexts = found;
    state.contextsOf = name;
  }
  reply(state, asked, optionReply.ack);
}

/** Contexts hold only for the export for which they were chosen. */
function enter(state: Negotiation, name: string): void {
  if (state.contextsOf !== name) {
    state.contexts = [];
  }
}

function isKnown(disk: NbdExport, name: string): boolean {
  return name === '' || name === disk.name;
}

function greet(socket: Socket): void {
  const hello = Buffer.alloc(greetingBytes);
  writeStructure(hello, greeting, {
    initPasswd,
    optionMagic,
    handshakeFlags: handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes,
  });
  socket.write(hello);
}

function refuse(state: Negotiation, asked: number, type: number, sentence: string): void {
  reply(state, asked, type, Buffer.from(sentence, 'utf8'));
}

function reply({ socket }: Negotiation, asked: number, type: number, ...data: Buffer[]): void {
  const header = Buffer.alloc(optionReplyHeaderBytes);
  const length = data.reduce((sum, part) => sum + part.length, 0);
  writeStructure(header, optionReplyHeader, { magic: optionReplyMagic, option: asked, type, length });
  socket.write(Buffer.concat([header, ...data]));
}

function counted(text: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text]);
}

function typed(type: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(type);
  return buffer;
}

/** An option's data. Every reader answers undefined where the data ends too soon. */
class OptionData {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#data.length;
  }

  /** 32 bits of length, and as many bytes. */
  string(): string | undefined {
    const length = this.#number(4);
    if (length === undefined || length > this.#data.length - this.#at) {
      return undefined;
    }
    this.#at += length;
    return this.#data.toString('utf8', this.#at - length, this.#at);
  }

  /** 32 bits of count, and as many strings. */
  strings(): string[] | undefined {
    return this.#list(4, () => this.string());
  }

  /** 16 bits of count, and as many numbers of 16 bits. */
  list16(): number[] | undefined {
    return this.#list(2, () => this.#number(2));
  }

  #list<T>(countBytes: 2 | 4, read: () => T | undefined): T[] | undefined {
    const count = this.#number(countBytes);
    const items: T[] = [];
    for (let index = 0; count !== undefined && index < count; index++) {
      const item = read();
      if (item === undefined) {
        return undefined;
      }
      items.push(item);
    }
    return count === undefined ? undefined : items;
  }

  #number(bytes: 2 | 4): number | undefined {
    if (bytes > this.#data.length - this.#at) {
      return undefined;
    }
    this.#at += bytes;
    return this.#data.readUIntBE(this.#at - bytes, bytes);
  }
}
