import { CheckpointError } from '../model/checkpoint-error.ts';

/** Encodings of on-disk fields: width in bits, byte order. `guid` is Windows' mixed-endian form, read as lower-case text. */
interface ValueOfType {
  u8: number;
  u16be: number;
  u16le: number;
  u32be: number;
  u32le: number;
  u64be: bigint;
  u64le: bigint;
  guid: string;
}

type NumberType = keyof ValueOfType;

/** A field: offset in bytes from the structure's start, and encoding; for `bytes` a length. */
export type Field =
  | { readonly offset: number; readonly type: NumberType }
  | { readonly offset: number; readonly type: 'bytes'; readonly length: number };

/** An on-disk structure: its fields by the names that its specification gives them. */
export type StructureTable = Readonly<Record<string, Field>>;

export type StructureValues<T extends StructureTable> = {
  -readonly [K in keyof T]: T[K]['type'] extends NumberType ? ValueOfType[T[K]['type']] : Buffer;
};

/** Reads a field that is known to lie inside the buffer, at `at` + its offset. `bytes` shares the buffer's memory. */
export function readField<F extends Field>(
  buffer: Buffer,
  field: F,
  at?: number,
): F['type'] extends NumberType ? ValueOfType[F['type']] : Buffer;
export function readField(buffer: Buffer, field: Field, at = 0): number | bigint | string | Buffer {
  const offset = at + field.offset;
  switch (field.type) {
    case 'u8':
      return buffer.readUInt8(offset);
    case 'u16be':
      return buffer.readUInt16BE(offset);
    case 'u16le':
      return buffer.readUInt16LE(offset);
    case 'u32be':
      return buffer.readUInt32BE(offset);
    case 'u32le':
      return buffer.readUInt32LE(offset);
    case 'u64be':
      return buffer.readBigUInt64BE(offset);
    case 'u64le':
      return buffer.readBigUInt64LE(offset);
    case 'guid':
      return readGuid(buffer, offset);
    case 'bytes':
      return buffer.subarray(offset, offset + field.length);
  }
}

/** Writes one field. Shorter `bytes` are filled up with zeros. */
export function writeField<F extends Field>(
  buffer: Buffer,
  field: F,
  value: F['type'] extends NumberType ? ValueOfType[F['type']] : Buffer,
  at = 0,
): void {
  writeValue(buffer, field, value, at);
}

function writeValue(buffer: Buffer, field: Field, value: number | bigint | string | Buffer, at: number): void {
  const offset = at + field.offset;
  switch (field.type) {
    case 'u8':
      buffer.writeUInt8(Number(value), offset);
      return;
    case 'u16be':
      buffer.writeUInt16BE(Number(value), offset);
      return;
    case 'u16le':
      buffer.writeUInt16LE(Number(value), offset);
      return;
    case 'u32be':
      buffer.writeUInt32BE(Number(value), offset);
      return;
    case 'u32le':
      buffer.writeUInt32LE(Number(value), offset);
      return;
    case 'u64be':
      buffer.writeBigUInt64BE(BigInt(String(value)), offset);
      return;
    case 'u64le':
      buffer.writeBigUInt64LE(BigInt(String(value)), offset);
      return;
    case 'guid':
      writeGuid(buffer, offset, String(value));
      return;
    case 'bytes':
      buffer.fill(0, offset, offset + field.length);
      if (Buffer.isBuffer(value)) {
        value.copy(buffer, offset, 0, field.length);
      }
      return;
  }
}

/** Reads a whole structure at an offset of a buffer that is known to hold it. */
export function readStructure<T extends StructureTable>(buffer: Buffer, table: T, at?: number): StructureValues<T>;
export function readStructure(buffer: Buffer, table: StructureTable, at = 0): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const name in table) {
    const field = table[name];
    if (field !== undefined) {
      values[name] = readField(buffer, field, at);
    }
  }
  return values;
}

/** Writes the given fields of a structure and leaves the others as they are. */
export function writeStructure<T extends StructureTable>(
  buffer: Buffer,
  table: T,
  values: Partial<StructureValues<T>>,
  at?: number,
): void;
export function writeStructure(
  buffer: Buffer,
  table: StructureTable,
  values: Record<string, number | bigint | string | Buffer | undefined>,
  at = 0,
): void {
  for (const [name, field] of Object.entries(table)) {
    const value = values[name];
    if (value !== undefined) {
      writeValue(buffer, field, value, at);
    }
  }
}

/**
 * A number out of a file, as one that can be counted with.
 * @throws ImageDamaged, naming the field, outside the bounds
 */
export function boundedNumber(
  value: number | bigint,
  bounds: { min?: number; max: number },
  field: string,
  path: string,
): number {
  const { min = 0, max } = bounds;
  if (value < min || value > max) {
    throw damagedField(path, field, `it is ${value}, and must lie between ${min} and ${max}`);
  }
  return Number(value);
}

/** The error for a field that cannot be believed. */
export function damagedField(path: string, field: string, problem: string): CheckpointError {
  return new CheckpointError(
    'ImageDamaged',
    `The disk ${path} is damaged: ${field}: ${problem}. Use a good copy of it.`,
    { path, field, problem },
  );
}

/** Byte positions of a GUID's text form in its stored form: the first three parts are little-endian ([MS-DTYP] 2.3.4.2). */
const guidOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const guidText = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;

function readGuid(buffer: Buffer, offset: number): string {
  const hex = buffer.toString('hex', offset, offset + 16);
  const byte = (at: number): string => hex.slice(at * 2, at * 2 + 2);
  const parts = [byte(3) + byte(2) + byte(1) + byte(0), byte(5) + byte(4), byte(7) + byte(6)];
  return [...parts, hex.slice(16, 20), hex.slice(20)].join('-');
}

function writeGuid(buffer: Buffer, offset: number, guid: string): void {
  const parts = guidText.exec(guid.toLowerCase());
  if (parts === null) {
    throw new Error(`Not a GUID: ${guid}`);
  }
  const bytes = Buffer.from(parts.slice(1).join(''), 'hex');
  guidOrder.forEach((from, to) => buffer.writeUInt8(bytes.readUInt8(to), offset + from));
}
