/** What the engine says beside its errors, in the language of a window: by the codes of its sentences. */
import type { WireError } from '../../engine/protocol/errors.ts';
import { sentences, type SentenceCode } from '../../engine/protocol/sentences.ts';
import { isWireError } from './engine-error.ts';
import type { Translator } from './error-facts.ts';

/**
 * @param sayings nothing about them is certain
 * @param errorInWords words of an error that is part of them
 * @returns undefined where one is not known here, or lacks a fact
 */
export function sayingsText(
  sayings: unknown,
  l10n: Translator,
  errorInWords: (error: WireError) => string,
): string | undefined {
  const textOf = (saying: unknown): string | undefined => {
    if (typeof saying !== 'object' || saying === null) {
      return undefined;
    }
    if ('error' in saying) {
      return isWireError(saying.error) ? errorInWords(saying.error) : undefined;
    }
    if (!('code' in saying && isSentenceCode(saying.code) && 'facts' in saying && isObject(saying.facts))) {
      return undefined;
    }
    const { code, facts } = saying;
    const names = [...sentences[code].matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    const words = names.map((name) => [name, factText(facts[name])] as const);
    return words.some(([, text]) => text === undefined)
      ? undefined
      : l10n.t(sentences[code], Object.fromEntries(words));
  };
  const factText = (fact: unknown): string | undefined =>
    typeof fact === 'string' || typeof fact === 'number'
      ? String(fact)
      : Array.isArray(fact)
        ? joined(fact.map(factText), ', ')
        : textOf(fact);
  return Array.isArray(sayings) && sayings.length > 0 ? joined(sayings.map(textOf), ' ') : undefined;
}

function joined(texts: readonly (string | undefined)[], separator: string): string | undefined {
  return texts.includes(undefined) ? undefined : texts.join(separator);
}

function isSentenceCode(code: unknown): code is SentenceCode {
  return typeof code === 'string' && Object.hasOwn(sentences, code);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
