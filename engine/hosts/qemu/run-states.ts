import { say } from '../../model/sayings.ts';
import type { Sentence } from '../../protocol/sentences.ts';

/** The guest has told QEMU of it, which stopped it then. */
export const panickedState = 'guest-panicked';

/** Run states in which the guest stands still (`RunState` of QEMU's run-state schema). */
export const pausedStates = new Set([
  'paused',
  'postmigrate',
  'prelaunch',
  'inmigrate',
  'finish-migrate',
  'save-vm',
  'io-error',
  'internal-error',
  panickedState,
  'suspended',
]);

/** Why the guest stands still although nobody paused it. */
export const problemOfState: Readonly<Record<string, Sentence>> = {
  'io-error': say('diskNotWritten'),
  'internal-error': say('stoppedByError'),
};
