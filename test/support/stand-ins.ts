import { readdirSync, readFileSync } from 'node:fs';
import { standInVerb } from '../../engine/store/stand-in.ts';

/** Processes that stand by for an engine of that home (Linux). */
export function standInsOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = commandLineOf(pid);
      return words.includes(standInVerb) && words.includes(home);
    });
}

function commandLineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
