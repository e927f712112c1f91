import type { Call } from './engine-context.ts';

/**
 * Why a call is aborted when nobody asked for that: the window or the terminal that it came from is gone. What runs in this
 * process is undone then; a job goes on.
 */
export const windowEnded = new DOMException('The window or the terminal is gone.', 'AbortError');

/**
 * The call without an end of its window: what was begun goes on to its end, which the process waits for. Somebody who cancels
 * it still does.
 */
export function outlivingWindow(call: Call): Call {
  const { signal } = call;
  if (signal === undefined) {
    return call;
  }
  signal.throwIfAborted();
  const cancel = new AbortController();
  signal.addEventListener('abort', () => {
    if (signal.reason !== windowEnded) {
      cancel.abort(signal.reason);
    }
  });
  return { ...call, signal: cancel.signal };
}
