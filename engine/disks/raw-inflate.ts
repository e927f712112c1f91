import zlib from 'node:zlib';
import { libc } from './libc.ts';

/** `z_stream` (zlib.h) where pointers and `long` have 64 bits: its length, and where its fields begin, in bytes. */
const streamBytes = 112;
const nextInAt = 0;
const availInAt = 8;
const nextOutAt = 24;
const availOutAt = 32;

/** No header and no checksum, and the longest window that there is: `inflateInit2`. */
const rawWindowBits = -15;
/** As many as keep two processors busy while finished ones are seen to. */
const mostStreams = 4;

/** A decoder that is used again and again. Its address is its identity, so it stays where it is. */
interface Decoder {
  /** A `z_stream`. */
  stream: Buffer;
  /** What the stream points into while it works: nobody else may know of it any more. */
  held: readonly Buffer[];
}

/**
 * Inflates raw deflate data (RFC 1951) on another thread, right into the buffer that is to hold it: Node's own way makes
 * a stream, a window and a result for each call, which takes longer than the work. Nothing is written beyond the buffer.
 * Undefined where this process has no zlib that can be called.
 * @param compressed what follows the end of the data is not looked at
 * @returns whether the data ended, just when the buffer was full; otherwise the buffer holds anything
 */
export const inflateInto: ((compressed: Buffer, content: Buffer) => Promise<boolean>) | undefined = load();

function load(): typeof inflateInto {
  if (libc === undefined) {
    return undefined;
  }
  const { address } = libc;
  try {
    const init = libc.func<[stream: Buffer, windowBits: number, version: string, streamBytes: number]>(
      'int inflateInit2_(void *strm, int windowBits, const char *version, int stream_size)',
    );
    const reset = libc.func<[stream: Buffer]>('int inflateReset(void *strm)');
    const inflate = libc.func<[stream: Buffer, flush: number]>('int inflate(void *strm, int flush)');
    const free: Decoder[] = [];
    for (let count = 0; count < mostStreams; count++) {
      const stream = Buffer.alloc(streamBytes);
      if (init(stream, rawWindowBits, '1.2.11', streamBytes) !== zlib.constants.Z_OK) {
        return undefined;
      }
      free.push({ stream, held: [] });
    }
    const waiting: ((decoder: Decoder) => void)[] = [];

    const run = (decoder: Decoder, compressed: Buffer, content: Buffer): Promise<boolean> =>
      new Promise((resolve) => {
        const { stream } = decoder;
        reset(stream);
        stream.writeBigUInt64LE(address(compressed), nextInAt);
        stream.writeUInt32LE(compressed.length, availInAt);
        stream.writeBigUInt64LE(address(content), nextOutAt);
        stream.writeUInt32LE(content.length, availOutAt);
        decoder.held = [compressed, content];
        inflate.async(stream, zlib.constants.Z_FINISH, (error, result) => {
          const isFull = stream.readUInt32LE(availOutAt) === 0;
          decoder.held = [];
          const next = waiting.shift();
          if (next === undefined) {
            free.push(decoder);
          } else {
            next(decoder);
          }
          resolve(error === null && result === zlib.constants.Z_STREAM_END && isFull);
        });
      });

    return async (compressed, content) => {
      const decoder = free.pop() ?? (await new Promise<Decoder>((resolve) => waiting.push(resolve)));
      return run(decoder, compressed, content);
    };
  } catch {
    return undefined;
  }
}
