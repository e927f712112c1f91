/** The rules for names, checked while they are typed; the engine checks them again. */

export type NameProblem =
  'empty' | 'tooLong' | 'quoteOrSlash' | 'controlCharacter' | 'fileNameCharacter' | 'edge' | 'windowsDevice';

const longestName = 100;
const quoteOrSlash = /["'`/\\]/gu;
/** Control characters, line separators, and the marks that change the direction of text. */
const invisible = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

export function checkpointNameProblem(name: string): NameProblem | undefined {
  const trimmed = name.trim();
  if (trimmed === '') {
    return 'empty';
  }
  if ([...trimmed].length > longestName) {
    return 'tooLong';
  }
  if (trimmed.search(invisible) !== -1) {
    return 'controlCharacter';
  }
  return trimmed.search(quoteOrSlash) === -1 ? undefined : 'quoteOrSlash';
}

/** File systems take names of 255 bytes; some are left for what the engine puts behind them. */
const longestFolderNameBytes = 200;
/** Names that Windows keeps for devices, with or without an ending. */
const windowsDevice = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/iu;

/** A machine's name is also the name of its folder. */
export function machineNameProblem(name: string): NameProblem | undefined {
  const trimmed = name.trim();
  if (/[<>:|?*]/.test(trimmed)) {
    return 'fileNameCharacter';
  }
  if (/^[.-]|\.$/.test(trimmed)) {
    return 'edge';
  }
  if (windowsDevice.test(trimmed)) {
    return 'windowsDevice';
  }
  return (
    checkpointNameProblem(trimmed) ?? (Buffer.byteLength(trimmed) > longestFolderNameBytes ? 'tooLong' : undefined)
  );
}

/** Makes a checkpoint name of any text: what names must not contain is replaced, and what is too long is cut. */
export function checkpointNameFrom(text: string): string {
  const name = text
    .replaceAll(invisible, ' ')
    .replaceAll(/["'`]/gu, '')
    .replaceAll(/[/\\]/gu, '-')
    .replaceAll(/\s+/gu, ' ');
  return [...name.trim()].slice(0, longestName).join('').trim();
}

/** Makes a machine name of a file's name, without its ending: `disk.qcow2` → `disk`. Empty when nothing is left. */
export function machineNameFromFile(fileName: string): string {
  return machineNameFrom(fileName.replace(/\.[^.]*$/, ''));
}

/** Makes a machine name of any text; empty when nothing is left. */
export function machineNameFrom(text: string): string {
  return checkpointNameFrom(text)
    .replaceAll(/[<>:|?*]/gu, '-')
    .replace(/^[.-]+|\.+$/gu, '');
}

/** The name offered for a new checkpoint: local date and time, such as `2026-11-21 09:15:03`. */
export function defaultCheckpointName(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
