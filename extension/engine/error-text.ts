/** What an error of the engine says in a window that is not in English: by its code, from the facts that come with it. */
import type { ErrorCode, WireError } from '../../engine/protocol/errors.ts';
import { withoutShellWords } from '../presentation/shell-words.ts';
import { codeText } from './error-code-text.ts';
import { listIn, wordsIn, type Facts, type Translator } from './error-facts.ts';
import { sayingsText } from './saying-text.ts';
import { shortageText } from './shortage-text.ts';

export interface ErrorText {
  text: string;
  /** It carries all that the engine's own sentence says. */
  isWhole: boolean;
}

/** The sentence of an error for a window in another language than English; where it says less than the engine's own, that follows. */
export function translatedSentence({ code, message, data }: WireError, l10n: Translator): string {
  const { text, isWhole } = errorText({ code, message, data }, l10n);
  return isWhole ? text : l10n.t('{0} In detail, in English: {1}', text, withoutShellWords(message));
}

/** By its code alone where the facts are not those that one expects. */
export function errorText({ code, message, data }: WireError, l10n: Translator): ErrorText {
  const found =
    message === nothingChanged
      ? l10n.t('Cancelled. Nothing was changed.')
      : (sayingsText(data['sentences'], l10n, (error) => translatedSentence(error, l10n)) ?? byFacts(code, data, l10n));
  return {
    text: found ?? codeText(code, l10n),
    // What befell one machine of a group tells of the others as well.
    isWhole: (found !== undefined || saysAll.has(code)) && data['ofGroup'] !== true,
  };
}

/** What the engine says of what was cancelled, unless something was done already. */
const nothingChanged = 'Cancelled. Nothing was changed.';

/** Codes whose text says all that there is to say even without facts. */
const saysAll: ReadonlySet<ErrorCode> = new Set(['GuestTooBusy']);

/** A text that needs no detail; undefined where the facts do not tell enough. */
function byFacts(code: ErrorCode, facts: Facts, l10n: Translator): string | undefined {
  const named = (fact: string): string | undefined => wordsIn(facts[fact]);
  const [machine, checkpoint, path] = [named('machine'), named('checkpoint'), named('path')];
  switch (code) {
    case 'NameInUse':
      return named('name') !== undefined
        ? l10n.t('There is already a machine “{0}”. Choose another name.', named('name') ?? '')
        : path === undefined
          ? undefined
          : machine === undefined
            ? l10n.t('There is a file {0} already. It is not overwritten: choose another name.', path)
            : l10n.t('The disk {0} belongs to machine “{1}” already.', path, machine);
    case 'MachineNotFound':
      return machine && l10n.t('There is no machine “{0}”. List the machines to see their names.', machine);
    case 'CheckpointNotFound':
      return named('group') !== undefined
        ? l10n.t('There is no group “{0}”.', named('group') ?? '')
        : machine && checkpoint && l10n.t('Machine “{0}” has no checkpoint “{1}”.', machine, checkpoint);
    case 'NotInTrash':
      return (
        machine && checkpoint && l10n.t('The trash of machine “{0}” has no checkpoint “{1}”.', machine, checkpoint)
      );
    case 'AmbiguousName':
      return (
        machine &&
        checkpoint &&
        l10n.t(
          'Machine “{0}” has several checkpoints called “{1}”. Name the one you mean by its id: {2}.',
          machine,
          checkpoint,
          listIn(facts['ids']),
        )
      );
    case 'MachineRunning':
      return (
        machine &&
        (named('state') === undefined
          ? l10n.t('This cannot be done while machine “{0}” is running or paused. Shut it down first.', machine)
          : l10n.t('Machine “{0}” is running or paused already.', machine))
      );
    case 'MachineNotRunning':
      return named('problem') === undefined
        ? machine && l10n.t('Machine “{0}” is not running. Start it first.', machine)
        : undefined;
    case 'MachinePaused':
      return (
        machine &&
        l10n.t('Machine “{0}” is paused, so its guest cannot shut down. Resume it first, or force it off.', machine)
      );
    case 'MachineNotSaved':
      return machine && l10n.t('“{0}” is not saved, so there is nothing to discard.', machine);
    case 'MachineNotReachable':
      return (
        path &&
        l10n.t(
          'The machine is not reachable at {0}. Connect the disk that it was moved to; nothing of it is lost.',
          path,
        )
      );
    case 'HomeNotReachable':
      return (
        path &&
        l10n.t(
          'The machines are not reachable at {0}: the disk that they lie on was disconnected or unmounted. Connect it again; nothing of them is lost.',
          path,
        )
      );
    case 'Locked':
      return lockedText(facts['holder'], l10n);
    case 'NotEnoughSpace':
      return shortageText(facts, l10n);
    case 'PermissionDenied':
      return named('systemCode') === undefined
        ? undefined
        : path && l10n.t('Not allowed to write or read {0}. Check the permissions of the folder and try again.', path);
    case 'DiskNotFound':
      return path === undefined
        ? undefined
        : facts['looked'] === undefined
          ? l10n.t('The file or folder {0} is missing. Check the path, or put it back.', path)
          : l10n.t(
              'The disk {0} needs another file, which is missing: {1}. Put it back.',
              path,
              listIn(facts['looked']),
            );
    case 'DiskInUse':
      return machine !== undefined && named('user') !== undefined
        ? l10n.t(
            'A disk of “{0}” is in use by {1}. Shut the machine down there first. Nothing was changed.',
            machine,
            named('user') ?? '',
          )
        : path &&
            l10n.t(
              'The disk {0} is open in another program, so it cannot be changed now. Close that program and try again.',
              path,
            );
    case 'QmpTimeout':
      return (
        named('command') &&
        l10n.t('QEMU did not answer in time. It is busy, or hangs: try again, or force the machine off.')
      );
    case 'GuestNotResponding':
      return typeof facts['timeoutMs'] === 'number'
        ? l10n.t(
            'The guest did not shut down within {0} s: neither its agent nor the power button (ACPI) had an effect. It is still running; wait and try again, or force it off.',
            Math.round(facts['timeoutMs'] / 1000),
          )
        : undefined;
    case 'NothingToUndo':
      return (
        machine &&
        l10n.t('“{0}” has nothing to undo: no apply or revert kept an earlier state that is still there.', machine)
      );
    case 'NothingToRedo':
      return (
        machine && l10n.t('“{0}” has nothing to redo: nothing was undone, or Now changed its place since.', machine)
      );
    case 'NothingToRevert':
      return machine && l10n.t('“{0}” has no checkpoint yet. Take one first.', machine);
    case 'JobNotFound':
      return (
        named('job') &&
        l10n.t('There is no job “{0}”. Jobs that ended are forgotten after a while.', named('job') ?? '')
      );
    case 'JobInterrupted':
      return named('job') && l10n.t('The job was interrupted: its process is gone. Resume it, or undo it.');
    case 'NothingToResume':
      return named('state') && l10n.t('Only an interrupted job can be resumed. Nothing was changed.');
    case 'NotSupported':
      return (
        machine &&
        named('disk') &&
        l10n.t(
          'The disk {0} of “{1}” has {2} layers, one on top of the other, and with more it could not be started. Delete checkpoints that you no longer need for good, which merges their layers, or go on with a full clone, whose disks have one layer.',
          named('disk') ?? '',
          machine,
          Number(facts['layers']),
        )
      );
    case 'HasClones':
      return (
        machine &&
        l10n.t(
          'Linked clones stand on the disks of machine “{0}”: {1}. Make them independent first (Flatten), or remove them.',
          machine,
          listIn(facts['clones']),
        )
      );
    default:
      return undefined;
  }
}

function lockedText(holder: unknown, l10n: Translator): string | undefined {
  const { face, pid, operation }: Facts = typeof holder === 'object' && holder !== null ? { ...holder } : {};
  return typeof face === 'string' && typeof pid === 'number' && typeof operation === 'string'
    ? l10n.t(
        'It is being changed by {0} (process {1}, {2}). Wait until that has finished and try again. Nothing was changed.',
        face,
        pid,
        operation,
      )
    : undefined;
}
