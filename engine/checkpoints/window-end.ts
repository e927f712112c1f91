/**
 * Why a call is aborted when nobody asked for that: the window or the terminal that it came from is gone. What runs in this
 * process is undone then; a job goes on.
 */
export const windowEnded = new DOMException('The window or the terminal is gone.', 'AbortError');
