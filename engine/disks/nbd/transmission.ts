import type { Socket } from 'node:net';
import { describeBlocks, metaContextId, type NbdExport } from './exported-disk.ts';
import type { Agreement } from './handshake.ts';
import { nbdLimits } from './limits.ts';
import { Load } from './load.ts';
import { command, commandFlag, requestHeader, requestHeaderBytes, requestMagic } from './protocol.ts';
import { Reader } from './reader.ts';
import { blockStatusChunk, errorReply, refusalOf, simpleReplyTo, type Refusal } from './replies.ts';
import { ReplyStream } from './reply-stream.ts';
import { readRequest, refusalFor, type Request } from './request.ts';
import { headroomBytes, type TransferBuffers } from './transfer-buffers.ts';
import { Writer } from './writer.ts';

const zeros = Buffer.alloc(nbdLimits.pieceBytes);

/** One client in the transmission phase. Requests run side by side, as far as the client's limits go. */
export class Transmission {
  readonly #socket: Socket;
  readonly #disk: NbdExport;
  readonly #agreement: Agreement;
  readonly #buffers: TransferBuffers;
  readonly #replies: ReplyStream;
  readonly #load: Load;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #gone = new AbortController();
  readonly #header = Buffer.alloc(requestHeaderBytes);
  #headerLength = 0;
  /** What was received and waits for room. */
  #rest: Buffer | undefined;
  #isEnding = false;

  constructor(socket: Socket, disk: NbdExport, agreement: Agreement, buffers: TransferBuffers) {
    this.#socket = socket;
    this.#disk = disk;
    this.#agreement = agreement;
    this.#buffers = buffers;
    this.#replies = new ReplyStream(socket);
    this.#load = new Load(() => this.#continue());
    const { signal } = this.#gone;
    this.#reader = new Reader(disk, buffers, this.#replies, this.#load, agreement.hasStructuredReplies, signal);
    this.#writer = new Writer(disk.chain[0], buffers, this.#load, (request, refusal) => {
      if (refusal === undefined) {
        void this.#run(request, () => this.#persist(request));
      } else {
        this.#refuse(request, refusal);
      }
    });
  }

  /** Serves until the client is gone and the disk's calls for it have ended. @param received what came with the handshake */
  async serve(received: Buffer): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    if (this.#socket.destroyed) {
      return;
    }
    if (received.length > 0) {
      this.#take(received);
    }
    this.#continue();
    await closed;
    this.#isEnding = true;
    this.#rest = undefined;
    this.#gone.abort();
    this.#writer.abandon();
    await this.#load.whenIdle();
  }

  /** Takes no more requests, answers those that were taken, and ends the connection. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#rest = undefined;
    this.#writer.abandon();
    await this.#load.whenIdle();
    this.#socket.end(() => this.#socket.destroy());
  }

  #take(chunk: Buffer): void {
    if (this.#isEnding) {
      return;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.#load.isFull && !this.#writer.isInPiece) {
        this.#rest = chunk.subarray(at);
        this.#socket.pause();
        return;
      }
      if (this.#writer.isTaking) {
        at += this.#writer.take(chunk, at);
        continue;
      }
      if (this.#headerLength === 0 && chunk.length - at >= requestHeaderBytes) {
        if (!this.#accept(chunk, at)) {
          return;
        }
        at += requestHeaderBytes;
      } else {
        const copied = chunk.copy(this.#header, this.#headerLength, at);
        this.#headerLength += copied;
        at += copied;
        if (this.#headerLength === requestHeaderBytes) {
          this.#headerLength = 0;
          if (!this.#accept(this.#header, 0)) {
            return;
          }
        }
      }
    }
  }

  #continue(): void {
    if (this.#isEnding || this.#load.isFull) {
      return;
    }
    const rest = this.#rest;
    if (rest !== undefined) {
      this.#rest = undefined;
      this.#take(rest);
    }
    if (this.#rest === undefined && this.#socket.isPaused()) {
      this.#socket.resume();
    }
  }

  /** Begins to carry out one request. @returns false when nothing more is to be taken from the client */
  #accept(buffer: Buffer, at: number): boolean {
    if (buffer.readUInt32BE(at + requestHeader.magic.offset) !== requestMagic) {
      this.#drop();
      return false;
    }
    const request = readRequest(buffer, at);
    if (request.type === command.disconnect) {
      void this.end();
      return false;
    }
    if (request.type === command.write && request.length > nbdLimits.payloadBytes) {
      this.#drop();
      return false;
    }
    this.#load.beginRequest();
    const refusal = refusalFor(request, this.#disk, this.#agreement);
    if (request.type === command.write) {
      this.#writer.begin(request, refusal);
    } else if (refusal !== undefined) {
      this.#refuse(request, refusal);
    } else if (request.type === command.read) {
      this.#reader.read(request);
    } else if (request.type === command.blockStatus) {
      void this.#answerBlockStatus(request);
    } else {
      void this.#run(request, () => this.#carryOut(request));
    }
    return true;
  }

  /** A client whose stream makes no sense any more: nothing that follows can be told apart. */
  #drop(): void {
    this.#isEnding = true;
    this.#socket.destroy();
  }

  async #carryOut(request: Request): Promise<void> {
    const { type, flags, offset, length } = request;
    const disk = this.#disk.chain[0];
    if (type === command.cache) {
      await this.#readAhead(offset, length);
    } else if (type === command.trim) {
      await disk.discard(offset, length);
    } else if (type === command.writeZeroes && (flags & commandFlag.noHole) !== 0) {
      await this.#writeZeros(offset, length);
    } else if (type === command.writeZeroes) {
      await disk.zero(offset, length);
    }
    await (type === command.flush ? this.#flush() : this.#persist(request));
  }

  /** Reads a range, so that it lies in the system's cache. */
  async #readAhead(offset: number, length: number): Promise<void> {
    const buffer = this.#buffers.take(nbdLimits.pieceBytes);
    const end = offset + length;
    try {
      for (let at = offset; at < end && !this.#gone.signal.aborted; at += nbdLimits.pieceBytes) {
        const part = Math.min(nbdLimits.pieceBytes, end - at);
        await this.#disk.chain[0].read(buffer.subarray(headroomBytes, headroomBytes + part), at);
      }
    } finally {
      this.#buffers.give(buffer);
    }
  }

  /** NBD_CMD_FLAG_NO_HOLE: later writes there must find their space. */
  async #writeZeros(offset: number, length: number): Promise<void> {
    const end = offset + length;
    for (let at = offset; at < end && !this.#gone.signal.aborted; at += zeros.length) {
      await this.#disk.chain[0].write(zeros.subarray(0, end - at), at);
    }
  }

  /** NBD_CMD_FLAG_FUA. */
  async #persist(request: Request): Promise<void> {
    if ((request.flags & commandFlag.fua) !== 0) {
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    if (!this.#disk.isReadOnly) {
      await this.#disk.chain[0].flush();
    }
  }

  async #answerBlockStatus({ cookie, offset, length, flags }: Request): Promise<void> {
    const { contexts } = this.#agreement;
    const isOne = (flags & commandFlag.reqOne) !== 0;
    const ended = (): void => this.#load.endRequest();
    try {
      const { chain } = this.#disk;
      const lists = await describeBlocks(chain, contexts, { offset, length, isOne }, this.#gone.signal);
      contexts.forEach((context, index) => {
        const isDone = index === contexts.length - 1;
        const chunk = blockStatusChunk(cookie, metaContextId(context), lists[index] ?? Buffer.alloc(0), isDone);
        this.#replies.send(chunk, isDone ? ended : nothing);
      });
    } catch (error) {
      this.#replies.send(errorReply(cookie, refusalOf(error)), ended);
    }
  }

  async #run(request: Request, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#refuse(request, refusalOf(error));
      return;
    }
    this.#replies.send(simpleReplyTo(request.cookie, 0), () => this.#load.endRequest());
  }

  #refuse({ cookie }: Request, refusal: Refusal): void {
    const reply = this.#agreement.hasStructuredReplies
      ? errorReply(cookie, refusal)
      : simpleReplyTo(cookie, refusal.error);
    this.#replies.send(reply, () => this.#load.endRequest());
  }
}

function nothing(): void {
  // The last chunk's end is the reply's end.
}
