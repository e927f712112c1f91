import { InvalidArgumentError } from 'commander';

const unitBytes: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes, also with K, M, G or T for powers of 1024. */
export function size(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,16})([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = number === '' ? Number.NaN : Number(number) * (unitBytes[unit.toUpperCase()] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) {
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
