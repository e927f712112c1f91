import type { Checkpoint } from './checkpoint.ts';

/** What is kept of what a guest's console showed. */
export const mostLines = 12;
export const mostColumns = 120;

/** In the units of a string's length, of which a character may take two. */
export const longestPicture = mostLines * (2 * mostColumns + 1);

/**
 * What the console of the machine showed at that point: some lines of plain text, the last of which may be unfinished. With
 * memory it is part of that, for the guest goes on from there.
 */
export function consoleOf({ console, memory }: Pick<Checkpoint, 'console' | 'memory'>): string | undefined {
  return console ?? memory?.console;
}
