import type { Disk } from '../disk.ts';
import { nbdLimits } from './limits.ts';
import type { Load } from './load.ts';
import { nbdError } from './protocol.ts';
import { refusalOf, type Refusal } from './replies.ts';
import type { Request } from './request.ts';
import { headroomBytes, type TransferBuffers } from './transfer-buffers.ts';

/** A WRITE, the data of which is still arriving or being written. */
interface IncomingWrite {
  request: Request;
  /** Bytes that have arrived. */
  arrived: number;
  /** Pieces being written, and one for the data that is still to come. */
  unfinished: number;
  refusal: Refusal | undefined;
  /** The piece that fills up now, and how much of it holds data. */
  piece: Buffer | undefined;
  pieceStart: number;
}

/** Takes the data of WRITE requests off the stream and writes it, in pieces, as it arrives. */
export class Writer {
  readonly #disk: Disk;
  readonly #buffers: TransferBuffers;
  readonly #load: Load;
  readonly #onWritten: (request: Request, refusal: Refusal | undefined) => void;
  #current: IncomingWrite | undefined;

  /** @param onWritten called when all of a request's data was written, or passed over for a refusal */
  constructor(
    disk: Disk,
    buffers: TransferBuffers,
    load: Load,
    onWritten: (request: Request, refusal: Refusal | undefined) => void,
  ) {
    this.#disk = disk;
    this.#buffers = buffers;
    this.#load = load;
    this.#onWritten = onWritten;
  }

  /** True while the stream's next bytes are data. */
  get isTaking(): boolean {
    return this.#current !== undefined;
  }

  /** True within a piece, which is counted in the load already: its data is taken even when the load is full. */
  get isInPiece(): boolean {
    return this.#current?.piece !== undefined;
  }

  /** @param refusal for a request whose data is only to be passed over */
  begin(request: Request, refusal: Refusal | undefined): void {
    const write: IncomingWrite = {
      request,
      arrived: 0,
      unfinished: 1,
      refusal,
      piece: undefined,
      pieceStart: 0,
    };
    if (request.length === 0) {
      this.#onWritten(request, refusal);
    } else {
      this.#current = write;
    }
  }

  /** Takes data from a chunk of the stream, until the request or a piece is complete. @returns bytes taken */
  take(chunk: Buffer, at: number): number {
    const write = this.#current;
    if (write === undefined) {
      return 0;
    }
    const { request } = write;
    const taken = Math.min(chunk.length - at, request.length - write.arrived, nbdLimits.pieceBytes - filled(write));
    if (write.refusal !== undefined && write.piece === undefined) {
      write.arrived += taken;
    } else if (
      write.piece === undefined &&
      taken === request.length - write.arrived &&
      taken * 2 >= chunk.buffer.byteLength
    ) {
      // All that is left lies in this chunk, and is most of it: no copy, and no large chunk is held for a small write.
      write.arrived += taken;
      this.#load.addBytes(taken);
      this.#write(write, chunk.subarray(at, at + taken), request.offset + write.arrived - taken, undefined);
    } else {
      this.#fill(write, chunk, at, taken);
    }
    if (write.arrived === request.length) {
      this.#current = undefined;
      this.#finish(write);
    }
    return taken;
  }

  /** Gives up a request the data of which is not all here, when the client is gone or the server stops. */
  abandon(): void {
    const write = this.#current;
    this.#current = undefined;
    if (write?.piece !== undefined) {
      this.#buffers.give(write.piece);
      this.#load.removeBytes(this.#buffers.sizeFor(this.#pieceLength(write)));
      write.piece = undefined;
    }
    if (write !== undefined) {
      write.refusal ??= { error: nbdError.ESHUTDOWN, message: 'The server stops.' };
      this.#finish(write);
    }
  }

  #fill(write: IncomingWrite, chunk: Buffer, at: number, taken: number): void {
    if (write.piece === undefined) {
      write.pieceStart = write.arrived;
      const length = this.#pieceLength(write);
      write.piece = this.#buffers.take(length);
      this.#load.addBytes(this.#buffers.sizeFor(length));
    }
    const { piece, pieceStart } = write;
    chunk.copy(piece, headroomBytes + filled(write), at, at + taken);
    write.arrived += taken;
    const length = this.#pieceLength(write);
    if (write.arrived - pieceStart === length) {
      write.piece = undefined;
      const data = piece.subarray(headroomBytes, headroomBytes + length);
      this.#write(write, data, write.request.offset + pieceStart, piece);
    }
  }

  #pieceLength({ request, pieceStart }: IncomingWrite): number {
    return Math.min(nbdLimits.pieceBytes, request.length - pieceStart);
  }

  #write(write: IncomingWrite, data: Buffer, offset: number, piece: Buffer | undefined): void {
    write.unfinished++;
    const held = piece === undefined ? data.length : this.#buffers.sizeFor(data.length);
    const written = (): void => {
      if (piece !== undefined) {
        this.#buffers.give(piece);
      }
      this.#load.removeBytes(held);
      this.#finish(write);
    };
    this.#disk.write(data, offset).then(written, (error: unknown) => {
      write.refusal ??= refusalOf(error);
      written();
    });
  }

  #finish(write: IncomingWrite): void {
    write.unfinished--;
    if (write.unfinished === 0) {
      this.#onWritten(write.request, write.refusal);
    }
  }
}

/** Bytes of data in the piece that fills up. */
function filled({ piece, arrived, pieceStart }: IncomingWrite): number {
  return piece === undefined ? 0 : arrived - pieceStart;
}
