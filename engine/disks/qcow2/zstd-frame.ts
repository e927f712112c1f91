/** RFC 8878: where a Zstandard frame ends, so that what follows it in the last sector is not taken for a frame. */

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const blockHeaderBytes = 3;
const rleBlock = 1;
const reservedBlock = 3;
/** A decoder holds this much of the past at most (RFC 8878 section 3.1.1.1.2 recommends to support 8 MiB). */
const longestWindow = 8 * 1024 * 1024;

const contentSizeBytes = [0, 2, 4, 8];
const dictionaryIdBytes = [0, 1, 2, 4];

/**
 * The length in bytes of the frame that begins the buffer.
 * @param most bytes that its content may have
 * @returns undefined when it is no whole frame, or its header promises more than `most`
 */
export function zstdFrameLength(buffer: Buffer, most: number): number | undefined {
  try {
    return frameLength(buffer, most);
  } catch (error) {
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

/** @throws RangeError where the buffer ends too early */
function frameLength(buffer: Buffer, most: number): number | undefined {
  const magic = buffer.readUInt32LE(0);
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
    const length = 8 + buffer.readUInt32LE(4);
    return length <= buffer.length ? length : undefined;
  }
  if (magic !== frameMagic) {
    return undefined;
  }
  const descriptor = buffer.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (contentSizeBytes[sizeFlag] ?? 0);
  let at = 5;
  if (!isSingleSegment) {
    const window = buffer.readUInt8(at);
    const base = 2 ** (10 + (window >> 3));
    if (base + (base / 8) * (window & 7) > longestWindow) {
      return undefined;
    }
    at += 1;
  }
  at += dictionaryIdBytes[descriptor & 3] ?? 0;
  if (
    sizeBytes === 8
      ? buffer.readBigUInt64LE(at) > BigInt(most)
      : sizeBytes > 0 && readSize(buffer, at, sizeBytes) > most
  ) {
    return undefined;
  }
  at += sizeBytes;
  for (let isLast = false; !isLast;) {
    const header = buffer.readUIntLE(at, blockHeaderBytes);
    isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    if (type === reservedBlock) {
      return undefined;
    }
    at += blockHeaderBytes + (type === rleBlock ? 1 : header >> 3);
  }
  at += hasChecksum ? 4 : 0;
  return at <= buffer.length ? at : undefined;
}

function readSize(buffer: Buffer, at: number, bytes: number): number {
  const size = buffer.readUIntLE(at, bytes);
  return bytes === 2 ? size + 256 : size;
}
