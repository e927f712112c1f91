import { promisify } from 'node:util';
import zlib from 'node:zlib';

/**
 * Blocked gzip (BGZF; SAM specification, section 4.1): gzip members (RFC 1952) of at most 64 KiB each, whose header tells the
 * length of the member, so that several are packed and unpacked at the same time. `zcat` and `gzip -d` read the file.
 */

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);

/** What a block holds at most: even content that does not shrink fits into a block then. */
export const blockContentBytes = 0xff00;

/** Longest block, with its header; its length less one has 16 bits. */
const longestBlockBytes = 0x1_0000;
/** What any gzip file begins with here: magic number and method, and the flag FEXTRA. */
const plainHeaderBytes = 10;
const extraFlag = 4;
/** XLEN, and the one extra subfield: `B`, `C`, its length, and the length of the block less one. */
const extra = Buffer.from([6, 0, 0x42, 0x43, 2, 0, 0, 0]);
const headerBytes = plainHeaderBytes + extra.length;
/** CRC-32 and length of the content. */
const trailerBytes = 8;

/** An empty block, which tells that nothing was cut off. */
export const endOfBlocks = Buffer.from('1f8b08040000000000ff0600424302001b0003000000000000000000', 'hex');

/** Memory is packed while a guest runs beside: what the slower levels save is little. */
const level = 1;

/** @param content at most {@link blockContentBytes} */
export async function packBlock(content: Buffer): Promise<Buffer> {
  const packed = await gzip(content, { level });
  const block = Buffer.concat([packed.subarray(0, plainHeaderBytes), extra, packed.subarray(plainHeaderBytes)]);
  if (block.length > longestBlockBytes) {
    throw new Error(`${content.length} bytes do not fit into a block.`);
  }
  block.writeUInt8(extraFlag, 3);
  block.writeUInt16LE(block.length - 1, headerBytes - 2);
  return block;
}

/** Whole blocks at the beginning of a buffer. */
export interface BlockRun {
  /** Length of the blocks. */
  bytes: number;
  /** Of what they hold, as they say; nothing is believed of it but that it is no more than 64 KiB each. */
  contentBytes: number;
}

/** @returns undefined when what is there is no beginning of a block */
export function findBlocks(buffer: Buffer, mostContentBytes: number): BlockRun | undefined {
  const run = { bytes: 0, contentBytes: 0 };
  while (run.contentBytes < mostContentBytes && buffer.length - run.bytes >= headerBytes) {
    const header = buffer.subarray(run.bytes, run.bytes + headerBytes);
    const length = header.readUInt16LE(headerBytes - 2) + 1;
    const isBlock =
      header.readUInt32LE(0) === 0x0408_8b1f &&
      header.subarray(plainHeaderBytes, headerBytes - 2).equals(extra.subarray(0, -2)) &&
      length >= headerBytes + trailerBytes;
    if (!isBlock) {
      return undefined;
    }
    if (run.bytes + length > buffer.length) {
      break;
    }
    const contentBytes = buffer.readUInt32LE(run.bytes + length - 4);
    if (contentBytes > longestBlockBytes) {
      return undefined;
    }
    run.bytes += length;
    run.contentBytes += contentBytes;
  }
  return run;
}

/**
 * Unpacks whole blocks, on another thread.
 * @param contentBytes what {@link findBlocks} says that they hold
 * @throws an error of zlib when they are damaged, or hold another number of bytes
 */
export async function unpackBlocks(blocks: Buffer, contentBytes: number): Promise<Buffer> {
  // One byte more: zlib asks for the rest when its buffer is just full.
  const content = await gunzip(blocks, {
    chunkSize: Math.max(64, contentBytes + 1),
    maxOutputLength: contentBytes + 1,
  });
  if (content.length !== contentBytes) {
    throw new Error(`The blocks hold ${content.length} bytes, and say ${contentBytes}.`);
  }
  return content;
}
