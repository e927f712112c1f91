import path from 'node:path';
import type { Finding, Remedy } from '../protocol/doctor.ts';

/** What was found, and what comes of it: two sentences or more, for the user. */
export function finding(
  code: Finding['code'],
  severity: Finding['severity'],
  file: string,
  ...sentences: readonly string[]
): Finding {
  return { code, severity, path: file, message: sentences.join(' '), isRepaired: false };
}

export function withRemedies(one: Finding, ...remedies: Remedy[]): Finding {
  return { ...one, remedies };
}

/** @param checkpoints ids of those that do not come back whole for it */
export function breaking(checkpoints: readonly string[], one: Finding): Finding {
  return checkpoints.length === 0 ? one : { ...one, breaks: [...new Set(checkpoints)] };
}

export function notLookedAt(file: string, ...sentences: readonly string[]): Finding {
  return finding('notLookedAt', 'info', file, ...sentences);
}

/** The same, as something that was mended. */
export function repaired(one: Finding, ...sentences: readonly string[]): Finding {
  const { remedies: _, ...rest } = one;
  return { ...rest, isRepaired: true, message: sentences.join(' ') };
}

/** Names for a sentence: the first ones, and how many more there are. */
export function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

/** Where what nothing names goes: out of the machine, but on its volume and never deleted. */
export function lostAndFound(root: string, machine: string, at: Date): string {
  return path.join(root, 'lost+found', machine, at.toISOString().replace(/:/g, '-'));
}
