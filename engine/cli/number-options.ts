import { InvalidArgumentError } from 'commander';
import { parseSize } from '../model/size.ts';

/** Bytes, also with K, M, G or T for powers of 1024. */
export function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) {
    throw new InvalidArgumentError('It must be a number of bytes, such as 10737418240 or 10G.');
  }
  return bytes;
}

/** Up to 999,999,999. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}
