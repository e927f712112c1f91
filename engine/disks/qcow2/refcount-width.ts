/**
 * Entries of a refcount block, by their width (QEMU docs/interop/qcow2, "Refcount block entry"). Below a byte, an entry
 * with a lower index lies in lower bits. `at` is the block's part's first byte, `index` counts entries from there.
 */
export interface RefcountWidth {
  /** The largest count that fits; for 64 bits the largest that can be counted with. */
  readonly most: number;
  read(block: Buffer, index: number): number;
  write(block: Buffer, index: number, count: number): void;
  /** The first entry from one on, before `end`, that is not 0; else `end`. */
  firstUsed(block: Buffer, from: number, end: number): number;
}

/** @param bits 1, 2, 4, 8, 16, 32 or 64 */
export function refcountWidth(bits: number): RefcountWidth {
  const entries = entriesOf(bits);
  return {
    ...entries,
    firstUsed(block, from, end) {
      for (let index = from; index < end;) {
        if (entries.read(block, index) > 0) {
          return index;
        }
        // Empty bytes are passed over without looking at each of their entries.
        let byte = Math.floor(((index + 1) * bits) / 8);
        while (byte < block.length && block[byte] === 0) {
          byte++;
        }
        index = Math.max(index + 1, Math.floor((byte * 8) / bits));
      }
      return end;
    },
  };
}

function entriesOf(bits: number): Omit<RefcountWidth, 'firstUsed'> {
  switch (bits) {
    case 8:
      return {
        most: 0xff,
        read: (block, index) => block[index] ?? 0,
        write: (block, index, count) => block.writeUInt8(count, index),
      };
    case 16:
      return {
        most: 0xffff,
        read: (block, index) => block.readUInt16BE(index * 2),
        write: (block, index, count) => block.writeUInt16BE(count, index * 2),
      };
    case 32:
      return {
        most: 0xffffffff,
        read: (block, index) => block.readUInt32BE(index * 4),
        write: (block, index, count) => block.writeUInt32BE(count, index * 4),
      };
    case 64:
      return {
        most: Number.MAX_SAFE_INTEGER,
        read: (block, index) => block.readUInt32BE(index * 8) * 2 ** 32 + block.readUInt32BE(index * 8 + 4),
        write: (block, index, count) => void block.writeBigUInt64BE(BigInt(count), index * 8),
      };
    default:
      return partOfByte(bits);
  }
}

function partOfByte(bits: number): Omit<RefcountWidth, 'firstUsed'> {
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return {
    most: mask,
    read: (block, index) => ((block[Math.floor(index / perByte)] ?? 0) >> ((index % perByte) * bits)) & mask,
    write: (block, index, count) => {
      const at = Math.floor(index / perByte);
      const shift = (index % perByte) * bits;
      block.writeUInt8(((block[at] ?? 0) & ~(mask << shift) & 0xff) | (count << shift), at);
    },
  };
}
