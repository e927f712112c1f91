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
export const problemOfState: Readonly<Record<string, string>> = {
  'io-error': 'A disk could not be written: the volume is full, or failed. Free some space, then resume the machine.',
  'internal-error': 'QEMU has stopped the guest after an error of its own. Force the machine off and start it again.',
};
