import { ChainMap } from '../chain-map.ts';
import type { NbdExport } from './exported-disk.ts';
import { nbdLimits } from './limits.ts';
import type { Load } from './load.ts';
import { commandFlag } from './protocol.ts';
import { dataChunk, errorReply, holeChunk, noneChunk, refusalOf, simpleData, simpleReplyTo } from './replies.ts';
import type { ReplyStream } from './reply-stream.ts';
import type { Request } from './request.ts';
import { headroomBytes, type TransferBuffers } from './transfer-buffers.ts';

interface Part {
  offset: number;
  length: number;
  isZero: boolean;
}

/** Answers READ. Long ones go in pieces, so that memory does not grow with them. */
export class Reader {
  readonly #disk: NbdExport;
  readonly #buffers: TransferBuffers;
  readonly #replies: ReplyStream;
  readonly #load: Load;
  readonly #hasStructuredReplies: boolean;
  readonly #signal: AbortSignal;

  constructor(
    disk: NbdExport,
    buffers: TransferBuffers,
    replies: ReplyStream,
    load: Load,
    hasStructuredReplies: boolean,
    signal: AbortSignal,
  ) {
    this.#disk = disk;
    this.#buffers = buffers;
    this.#replies = replies;
    this.#load = load;
    this.#hasStructuredReplies = hasStructuredReplies;
    this.#signal = signal;
  }

  /** Begins to answer a request that was found good and is counted in the load. */
  read(request: Request): void {
    const isFragmentable = this.#hasStructuredReplies && (request.flags & commandFlag.df) === 0;
    if (isFragmentable && request.length >= nbdLimits.holeSearchBytes) {
      void this.#readInChunks(request);
    } else if (request.length === 0) {
      this.#replies.send(
        this.#hasStructuredReplies ? noneChunk(request.cookie) : simpleReplyTo(request.cookie, 0),
        () => this.#load.endRequest(),
      );
    } else if (request.length <= nbdLimits.pieceBytes) {
      this.#readAtOnce(request);
    } else {
      void this.#readInOrder(request);
    }
  }

  /** One buffer, one reply. No async function here: this is what small random reads come through. */
  #readAtOnce({ cookie, offset, length }: Request): void {
    const buffer = this.#buffers.take(length);
    const held = this.#buffers.sizeFor(length);
    this.#load.addBytes(held);
    const onTaken = (): void => {
      this.#buffers.give(buffer);
      this.#load.removeBytes(held);
      this.#load.endRequest();
    };
    this.#disk.chain[0].read(buffer.subarray(headroomBytes, headroomBytes + length), offset).then(
      () => {
        const reply = this.#hasStructuredReplies
          ? dataChunk(buffer, cookie, offset, length, true)
          : simpleData(buffer, cookie, length);
        this.#replies.send(reply, onTaken);
      },
      (error: unknown) => this.#replies.send(this.#errorReply(cookie, error), onTaken),
    );
  }

  /** Structured chunks in any order, holes as such; the last to become ready carries the DONE flag. */
  async #readInChunks({ cookie, offset, length }: Request): Promise<void> {
    let unfinished = 1;
    let failure: unknown;
    const finish = (chunk: ((isDone: boolean) => Buffer) | undefined, onTaken: () => void): void => {
      unfinished--;
      const isDone = unfinished === 0;
      const end = (): void => {
        onTaken();
        if (isDone) {
          this.#load.endRequest();
        }
      };
      if (isDone && failure !== undefined) {
        this.#replies.send(this.#errorReply(cookie, failure), end);
      } else if (failure !== undefined) {
        end();
      } else if (chunk !== undefined) {
        this.#replies.send(chunk(isDone), end);
      } else if (isDone) {
        this.#replies.send(noneChunk(cookie), end);
      } else {
        end();
      }
    };
    try {
      for (const part of await this.#partsOf(offset, length)) {
        if (part.isZero) {
          unfinished++;
          finish((isDone) => holeChunk(cookie, part.offset, part.length, isDone), nothing);
          continue;
        }
        for (const piece of piecesOf(part)) {
          this.#signal.throwIfAborted();
          const held = this.#buffers.sizeFor(piece.length);
          await this.#load.whenRoom(held);
          unfinished++;
          const buffer = this.#buffers.take(piece.length);
          const onTaken = (): void => {
            this.#buffers.give(buffer);
            this.#load.removeBytes(held);
          };
          const data = buffer.subarray(headroomBytes, headroomBytes + piece.length);
          this.#disk.chain[0].read(data, piece.offset).then(
            () => finish((isDone) => dataChunk(buffer, cookie, piece.offset, piece.length, isDone), onTaken),
            (error: unknown) => {
              failure ??= error;
              finish(undefined, onTaken);
            },
          );
        }
      }
    } catch (error) {
      failure ??= error;
    }
    finish(undefined, nothing);
  }

  /** A simple reply has one header and then all the data in order; after the header no error can be told any more. */
  async #readInOrder({ cookie, offset, length }: Request): Promise<void> {
    await this.#replies.beginParts();
    let isBegun = false;
    try {
      for (const piece of piecesOf({ offset, length })) {
        this.#signal.throwIfAborted();
        // Not when there is room: other replies, which hold it, wait for this one. So one piece at a time.
        const held = this.#buffers.sizeFor(piece.length);
        this.#load.addBytes(held);
        const buffer = this.#buffers.take(piece.length);
        const data = buffer.subarray(headroomBytes, headroomBytes + piece.length);
        try {
          await this.#disk.chain[0].read(data, piece.offset);
          const part = isBegun ? data : simpleData(buffer, cookie, piece.length);
          isBegun = true;
          await new Promise<void>((resolve) => this.#replies.sendPart(part, resolve));
        } finally {
          this.#buffers.give(buffer);
          this.#load.removeBytes(held);
        }
      }
      this.#load.endRequest();
    } catch (error) {
      if (isBegun) {
        this.#replies.destroy();
        this.#load.endRequest();
      } else {
        this.#replies.sendPart(simpleReplyTo(cookie, refusalOf(error).error), () => this.#load.endRequest());
      }
    } finally {
      this.#replies.endParts();
    }
  }

  /** Holes and data of a range, as far as a bounded look finds them; the rest counts as data. */
  async #partsOf(offset: number, length: number): Promise<Part[]> {
    const parts: Part[] = [];
    let end = offset;
    for await (const range of new ChainMap(this.#disk.chain, this.#signal).extents(offset, length)) {
      const isZero = range.state !== 'data';
      const last = parts.at(-1);
      if (last?.isZero === isZero) {
        last.length += range.length;
      } else if (parts.length < nbdLimits.readExtents) {
        parts.push({ offset: range.offset, length: range.length, isZero });
      } else {
        break;
      }
      end = range.offset + range.length;
    }
    if (end < offset + length) {
      parts.push({ offset: end, length: offset + length - end, isZero: false });
    }
    return parts;
  }

  #errorReply(cookie: bigint, thrown: unknown): Buffer {
    const refusal = refusalOf(thrown);
    return this.#hasStructuredReplies ? errorReply(cookie, refusal) : simpleReplyTo(cookie, refusal.error);
  }
}

function* piecesOf({
  offset,
  length,
}: {
  offset: number;
  length: number;
}): Generator<{ offset: number; length: number }> {
  const end = offset + length;
  for (let at = offset; at < end; at += nbdLimits.pieceBytes) {
    yield { offset: at, length: Math.min(nbdLimits.pieceBytes, end - at) };
  }
}

function nothing(): void {
  // A chunk without a buffer holds nothing that must be given back.
}
