import { CheckpointError } from './checkpoint-error.ts';

const longestName = 100;

/** Control characters, line separators, and the bidirectional overrides that make a name look like another. */
const invisible = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
const quoteOrSlash = /["'`/\\]/u;

/** Names that Windows keeps for devices, with or without an extension (Microsoft Learn, "Naming Files, Paths, and Namespaces"). */
const windowsDevice = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/iu;

/**
 * Checks the name of a checkpoint: 1 to 100 characters, no quotes, slashes, line breaks or other control characters.
 * @returns the name without surrounding white space, in Unicode NFC.
 * @throws InvalidName
 */
export function checkpointName(name: string): string {
  return plainName(name, 'checkpoint');
}

/**
 * Checks the name of a machine, which is also the name of its folder: the rules of {@link checkpointName}, and whatever
 * no file system of the three operating systems refuses.
 * @throws InvalidName
 */
export function machineName(name: string): string {
  const checked = plainName(name, 'machine');
  const problem = /[<>:|?*]/u.test(checked)
    ? 'must not contain any of < > : | ? *'
    : /^[.-]/u.test(checked) || checked.endsWith('.')
      ? 'must not begin with a dot or a hyphen, or end with a dot'
      : windowsDevice.test(checked)
        ? 'is a device name on Windows'
        : new TextEncoder().encode(checked).length > 200
          ? 'is longer than 200 bytes'
          : undefined;
  if (problem !== undefined) {
    throw invalid('machine', checked, problem);
  }
  return checked;
}

/** Checks the name of a group of machines, by the rules of {@link checkpointName}. @throws InvalidName */
export function groupName(name: string): string {
  return plainName(name, 'group');
}

function plainName(name: string, what: 'machine' | 'checkpoint' | 'group'): string {
  const trimmed = name.normalize('NFC').trim();
  if (trimmed === '') {
    throw invalid(what, trimmed, 'must not be empty');
  }
  if ([...trimmed].length > longestName) {
    throw invalid(what, trimmed, `is longer than ${longestName} characters`);
  }
  if (invisible.test(trimmed)) {
    throw invalid(what, trimmed, 'must not contain line breaks or other control characters');
  }
  if (quoteOrSlash.test(trimmed)) {
    throw invalid(what, trimmed, 'must not contain quotes or slashes');
  }
  return trimmed;
}

function invalid(what: 'machine' | 'checkpoint' | 'group', name: string, problem: string): CheckpointError {
  const shown = [...name].slice(0, 40).join('').replace(/\p{C}/gu, '�');
  return new CheckpointError('InvalidName', `The ${what} name “${shown}” ${problem}. Choose another name.`, {
    name,
    problem,
  });
}

/** The name that a checkpoint gets when none was given: local date and time, such as `2026-11-21 09:15:03`. */
export function defaultCheckpointName(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
