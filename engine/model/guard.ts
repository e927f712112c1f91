import type { CommandEnd } from '../protocol/guard-info.ts';
import type { Checkpoint, FirmwareState } from './checkpoint.ts';
import { CheckpointError } from './checkpoint-error.ts';
import type { Tree } from './tree.ts';

const longestCommandName = 60;

/** A command as the name of a checkpoint may hold it: without quotes and slashes, and not long. */
export function commandName([program = '', ...args]: readonly string[]): string {
  const words = [program.split(/[/\\]/).at(-1) ?? program, ...args].join(' ');
  const plain = words
    .replace(/["'`]/gu, '')
    .replace(/[/\\]/gu, '∕')
    .replace(/\p{C}|[\u2028\u2029]/gu, ' ')
    .trim();
  const letters = [...plain];
  return letters.length <= longestCommandName ? plain : `${letters.slice(0, longestCommandName).join('')}…`;
}

/** `exit code 3`, `ended by SIGTERM`. */
export function endText({ exitCode, signal }: CommandEnd): string {
  return signal === undefined ? `exit code ${exitCode ?? 'unknown'}` : `ended by ${signal}`;
}

/**
 * The checkpoint before the command of a guard that has not ended.
 * @throws CheckpointNotFound, when no guard is open; AmbiguousName when several are
 */
export function openGuard({ machine, checkpoints }: Pick<Tree, 'machine' | 'checkpoints'>): Checkpoint {
  const open = checkpoints.filter(({ guard }) => guard !== undefined && guard.end === undefined);
  const [only, ...others] = open;
  if (only === undefined) {
    throw new CheckpointError('CheckpointNotFound', `Machine “${machine}” has no guard that has not ended.`, {
      machine,
    });
  }
  if (others.length > 0) {
    throw new CheckpointError(
      'AmbiguousName',
      `Machine “${machine}” has ${open.length} guards that have not ended. Name the checkpoint of the one that you mean by its id: ${open.map(({ id }) => id).join(', ')}.`,
      { machine, ids: open.map(({ id }) => id) },
    );
  }
  return only;
}

/** True when Now grew from a checkpoint, over however many others. */
export function growsFrom({ checkpoints, now }: Pick<Tree, 'checkpoints' | 'now'>, ancestor: string): boolean {
  const parents = new Map(checkpoints.map(({ id, parent }) => [id, parent]));
  for (let id = now.parent; id !== undefined; id = parents.get(id)) {
    if (id === ancestor) {
      return true;
    }
  }
  return false;
}

/** True when the UEFI variables and the TPM's state are the same. */
export function sameFirmware(a: FirmwareState | undefined, b: FirmwareState | undefined): boolean {
  const facts = (state: FirmwareState | undefined): string =>
    JSON.stringify((state?.files ?? []).map(({ name, sha256 }) => `${name} ${sha256}`).sort());
  return facts(a) === facts(b);
}
