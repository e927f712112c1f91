/** Integer encodings of on-disk fields. The number is the width in bits; `be` is big-endian, `le` little-endian. */
type FieldType = 'u32be' | 'u64be' | 'u32le';

/** A field of an on-disk structure: offset in bytes from the structure's start, and encoding. */
export interface Field {
  readonly offset: number;
  readonly type: FieldType;
}

const readers: Readonly<Record<FieldType, (buffer: Buffer, offset: number) => bigint>> = {
  u32be: (buffer, offset) => BigInt(buffer.readUInt32BE(offset)),
  u64be: (buffer, offset) => buffer.readBigUInt64BE(offset),
  u32le: (buffer, offset) => BigInt(buffer.readUInt32LE(offset)),
};

/** Reads a field that is known to lie inside the buffer. */
export function readField(buffer: Buffer, field: Field): bigint {
  return readers[field.type](buffer, field.offset);
}
