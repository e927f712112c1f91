import path from 'node:path';
import { englishOf, say } from '../model/sayings.ts';
import type { Finding, Remedy } from '../protocol/doctor.ts';
import type { Fact, Saying, Sentence } from '../protocol/sentences.ts';

/** What was found, and what comes of it, for the user. */
export function finding(
  code: Finding['code'],
  severity: Finding['severity'],
  file: string,
  ...sentences: Saying[]
): Finding {
  return { code, severity, path: file, message: englishOf(sentences), sentences, isRepaired: false };
}

export function withRemedies(one: Finding, ...remedies: Remedy[]): Finding {
  return { ...one, remedies };
}

/** @param checkpoints ids of those that do not come back whole for it */
export function breaking(checkpoints: readonly string[], one: Finding): Finding {
  return checkpoints.length === 0 ? one : { ...one, breaks: [...new Set(checkpoints)] };
}

export function notLookedAt(file: string, ...sentences: Saying[]): Finding {
  return finding('notLookedAt', 'info', file, ...sentences);
}

/** The same, told otherwise. */
export function retold(one: Finding, ...sentences: Saying[]): Finding {
  return { ...one, message: englishOf(sentences), sentences };
}

/** The same, as something that was mended. */
export function repaired(one: Finding, ...sentences: Saying[]): Finding {
  const { remedies: _, ...rest } = one;
  return { ...retold(rest, ...sentences), isRepaired: true };
}

/** Names for a sentence: each once, the first ones, and how many more there are. */
export function listOf(names: readonly Sentence[]): Fact {
  const distinct = [...new Map(names.map((name) => [englishOf([name]), name])).values()];
  const shown = distinct.slice(0, 8);
  return distinct.length > 8 ? say('andMore', { names: shown, count: distinct.length - 8 }) : shown;
}

/** Where what nothing names goes: out of the machine, but on its volume and never deleted. */
export function lostAndFound(root: string, machine: string, at: Date): string {
  return path.join(root, 'lost+found', machine, at.toISOString().replace(/:/g, '-'));
}
