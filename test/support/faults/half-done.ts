import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ChangingCall } from './changing-calls.ts';

/** The real functions, from before anything stood in for them. */
const real = { readdirSync, readFileSync, rmSync, statSync, writeFileSync };

/**
 * Does half of what cannot be cut by writing less: the removal of a folder, or the copy of a file.
 * @returns false where there is no half
 */
export function doHalf(call: string, values: readonly unknown[]): boolean {
  const [first, second] = values;
  if (typeof first !== 'string') {
    return false;
  }
  if (call === 'rm' && real.statSync(first, { throwIfNoEntry: false })?.isDirectory() === true) {
    const entries = real.readdirSync(first).sort();
    for (const entry of entries.slice(0, Math.ceil(entries.length / 2))) {
      real.rmSync(path.join(first, entry), { recursive: true, force: true });
    }
    return true;
  }
  if (call === 'copyFile' && typeof second === 'string') {
    const content = real.readFileSync(first);
    real.writeFileSync(second, content.subarray(0, content.length >> 1));
    return true;
  }
  return false;
}

/** The same call with half of its content; undefined when it has none that can be cut. */
export function withHalf(call: ChangingCall, values: readonly unknown[]): unknown[] | undefined {
  const { content } = call;
  if (content === undefined) {
    return undefined;
  }
  const whole = values[content];
  if (typeof whole === 'string') {
    return values.with(content, whole.slice(0, whole.length >> 1));
  }
  if (!Buffer.isBuffer(whole)) {
    return undefined;
  }
  // `write(fd, buffer, offset, length, position)`: the length must not go beyond the buffer.
  const [offset, length, ...rest] = values.slice(content + 1);
  if (typeof offset === 'number' && typeof length === 'number') {
    return [...values.slice(0, content + 1), offset, length >> 1, ...rest];
  }
  return values.with(content, whole.subarray(0, whole.length >> 1));
}
