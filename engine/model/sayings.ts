import type { ErrorCode } from '../protocol/errors.ts';
import {
  sentences,
  type Fact,
  type FactName,
  type Saying,
  type Sentence,
  type SentenceCode,
} from '../protocol/sentences.ts';
import { CheckpointError, toWireError } from './checkpoint-error.ts';

/** A sentence with its facts; none for one that has no facts. */
export function say<Code extends SentenceCode>(
  code: Code,
  ...[facts]: [FactName<Code>] extends [never] ? [] : [facts: Readonly<Record<FactName<Code>, Fact>>]
): Sentence {
  return { code, facts: facts ?? {} };
}

/** What was thrown, as a part of what is told. */
export function sayError(thrown: unknown): Saying {
  return { error: toWireError(thrown) };
}

/** Names, each in quotation marks. */
export function quoted(names: readonly string[]): Sentence[] {
  return names.map((name) => say('quoted', { name }));
}

/** An error that says this, for front ends in other languages too. */
export function errorSaying(
  code: ErrorCode,
  data: Readonly<Record<string, unknown>>,
  ...said: Saying[]
): CheckpointError {
  return new CheckpointError(code, englishOf(said), { ...data, sentences: said });
}

/** What is wrong with something, as it is shown. @returns nothing when nothing is */
export function shownProblem(said: readonly Saying[] | undefined): { problem?: string; problemSentences?: Saying[] } {
  return said === undefined ? {} : { problem: englishOf(said), problemSentences: [...said] };
}

export function englishOf(sayings: readonly Saying[]): string {
  return sayings.map(sayingText).join(' ');
}

function sayingText(saying: Saying): string {
  return 'error' in saying
    ? saying.error.message
    : sentences[saying.code].replaceAll(/\{(\w+)\}/g, (place, name: string) => {
        const fact = saying.facts[name];
        return fact === undefined ? place : factText(fact);
      });
}

function factText(fact: Fact): string {
  if (typeof fact === 'string' || typeof fact === 'number') {
    return String(fact);
  }
  return isList(fact) ? fact.map(factText).join(', ') : sayingText(fact);
}

/** `Array.isArray` does not know of arrays that nobody may write to. */
function isList(fact: Saying | readonly Fact[]): fact is readonly Fact[] {
  return Array.isArray(fact);
}
