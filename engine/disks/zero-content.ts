/** Zeros, to write and to compare with; nobody writes into it. */
export const zeroBuffer: Buffer = Buffer.alloc(1 << 20);

/** Whether a range of a buffer is all zero. Compares with zeros: by far the fastest way in Node. */
export function isZero(content: Buffer, from = 0, to = content.length): boolean {
  for (let at = from; at < to; at += zeroBuffer.length) {
    const length = Math.min(zeroBuffer.length, to - at);
    if (content.compare(zeroBuffer, 0, length, at, at + length) !== 0) {
      return false;
    }
  }
  return true;
}

/** A part of a buffer, by offsets in it. */
export interface Part {
  from: number;
  to: number;
  isZero: boolean;
}

/**
 * Splits a buffer into parts that are zero and parts that are not.
 * @param grainBytes parts begin and end at multiples of this, counted from the buffer's start
 */
export function splitByZeros(content: Buffer, grainBytes: number): Part[] {
  const parts: Part[] = [];
  let last: Part | undefined;
  for (let from = 0; from < content.length; from += grainBytes) {
    const to = Math.min(from + grainBytes, content.length);
    const grainIsZero = isZero(content, from, to);
    if (last?.isZero === grainIsZero) {
      last.to = to;
    } else {
      last = { from, to, isZero: grainIsZero };
      parts.push(last);
    }
  }
  return parts;
}
