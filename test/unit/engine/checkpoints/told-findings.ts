import assert from 'node:assert/strict';
import { englishOf } from '../../../../engine/model/sayings.ts';
import type { Finding } from '../../../../engine/protocol/doctor.ts';
import { sayingsInWords } from '../../../../extension/engine/saying-in-words.ts';
import { german } from '../../../support/german.ts';

/** Sees that findings can be told in another language, and say the same in English. */
export function requireTranslatable(findings: readonly Finding[]): void {
  for (const { message, sentences } of findings) {
    assert.equal(englishOf(sentences), message);
    const told = sayingsInWords(sentences, message, german);
    assert.notEqual(told, message);
    assert.doesNotMatch(told, /undefined|\{\w+\}|\[object/);
  }
}
