import { constants } from 'node:os';

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let isInstalled = false;

/**
 * Makes the signals that end a process run its `exit` handlers, which they skip by default. When someone else listens
 * for the signal too, the ending is theirs.
 */
export function exitOnSignals(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const signal of endings) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
