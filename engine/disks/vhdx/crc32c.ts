import { endianness } from 'node:os';
import { isZero, zeroBuffer } from '../zero-content.ts';

/** CRC-32C (Castagnoli), which Node's zlib does not have: the checksum of headers, region tables and log entries. */

const reversedPolynomial = 0x82f63b78;
/** Eight tables, so that eight bytes are taken at a step ("slicing by 8"); each in an array of its own, which is faster. */
const [table0, table1, table2, table3, table4, table5, table6, table7] = makeTables();

function makeTables(): [T, T, T, T, T, T, T, T] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >>> 1) ^ (remainder & 1 ? reversedPolynomial : 0);
    }
    first[byte] = remainder;
  }
  const after = (before: T): T => before.map((entry) => (entry >>> 8) ^ (first[entry & 0xff] ?? 0));
  const [second, third] = [after(first), after(after(first))];
  const [fourth, fifth] = [after(third), after(after(third))];
  const [sixth, seventh] = [after(fifth), after(after(fifth))];
  return [first, second, third, fourth, fifth, sixth, seventh, after(seventh)];
}

type T = Int32Array;

/** Words of the machine are words of the file. */
const isLittleEndian = endianness() === 'LE';

/** So many zero bytes are passed at a step: region tables of 64 KiB hold hardly anything else. */
const zeroStepBytes = 4096;

/**
 * @param seed the checksum of what comes before
 * @returns an unsigned 32-bit number
 */
export function crc32c(bytes: Buffer, seed = 0): number {
  let crc = seed;
  for (let from = 0; from < bytes.length; from += zeroStepBytes) {
    const to = Math.min(from + zeroStepBytes, bytes.length);
    const isPassed = to - from === zeroStepBytes && isZero(bytes, from, to);
    crc = isPassed ? afterZeros(crc) : checksum(bytes.subarray(from, to), crc);
  }
  return crc;
}

/** By bit of the remainder: what {@link zeroStepBytes} zero bytes make of it. The remainder of a sum is the sum of these. */
let zeroStep: readonly number[] | undefined;

function afterZeros(seed: number): number {
  zeroStep ??= Array.from({ length: 32 }, (_, bit) => ~checksum(zeroBuffer.subarray(0, zeroStepBytes), ~(1 << bit)));
  let crc = 0;
  for (let bit = 0; bit < 32; bit++) {
    crc ^= (~seed >>> bit) & 1 ? (zeroStep[bit] ?? 0) : 0;
  }
  return ~crc >>> 0;
}

function checksum(bytes: Buffer, seed: number): number {
  const toAlignment = isLittleEndian ? Math.min(bytes.length, -bytes.byteOffset & 3) : bytes.length;
  let crc = ~seed;
  let at = 0;
  for (; at < toAlignment; at++) {
    crc = (crc >>> 8) ^ (table0[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  }
  const wordCount = ((bytes.length - at) >> 3) * 2;
  const words = new Int32Array(bytes.buffer, wordCount === 0 ? 0 : bytes.byteOffset + at, wordCount);
  for (let word = 0; word < wordCount; word += 2) {
    const low = crc ^ (words[word] ?? 0);
    const high = words[word + 1] ?? 0;
    crc =
      (table7[low & 0xff] ?? 0) ^
      (table6[(low >>> 8) & 0xff] ?? 0) ^
      (table5[(low >>> 16) & 0xff] ?? 0) ^
      (table4[low >>> 24] ?? 0) ^
      (table3[high & 0xff] ?? 0) ^
      (table2[(high >>> 8) & 0xff] ?? 0) ^
      (table1[(high >>> 16) & 0xff] ?? 0) ^
      (table0[high >>> 24] ?? 0);
  }
  for (at += wordCount * 4; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (table0[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  }
  return ~crc >>> 0;
}

/** The checksum of a structure whose own Checksum field, at an offset in bytes, counts as zero. */
export function structureChecksum(bytes: Buffer, checksumOffset: number): number {
  let crc = crc32c(bytes.subarray(0, checksumOffset));
  crc = crc32c(zeroChecksum, crc);
  return crc32c(bytes.subarray(checksumOffset + zeroChecksum.length), crc);
}

const zeroChecksum = Buffer.alloc(4);
