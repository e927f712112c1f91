import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { translatedTexts } from '../../support/translated-texts.ts';

const root = new URL('../../../', import.meta.url);
const textsIn = (file: string): Map<string, string> =>
  new Map(
    Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(new URL(file, root), 'utf8')))),
  );
const languagesOf = (folder: string, pattern: RegExp): string[] =>
  readdirSync(new URL(folder, root)).flatMap((file) => pattern.exec(file)?.[1] ?? []);

const languages = languagesOf('extension/l10n/', /^bundle\.l10n\.(.+)\.json$/);

test('what is translated of the code is translated of package.json, too', () => {
  assert.ok(languages.includes('de'));
  assert.deepEqual(languagesOf('.', /^package\.nls\.(.+)\.json$/), languages);
});

for (const language of languages) {
  test(`${language}: each text of the code, and no other`, () => {
    const wanted = translatedTexts();
    const bundle = textsIn(`extension/l10n/bundle.l10n.${language}.json`);
    assert.ok(wanted.length > 500);
    assert.deepEqual([...bundle.keys()].toSorted(), wanted);
    for (const [text, translation] of bundle) {
      requireSameParts(text, translation);
    }
  });

  test(`${language}: each text of package.json, and no other`, () => {
    const texts = textsIn('package.nls.json');
    const translations = textsIn(`package.nls.${language}.json`);
    assert.deepEqual([...translations.keys()], [...texts.keys()]);
    for (const [key, text] of texts) {
      requireSameParts(text, translations.get(key) ?? '');
    }
  });
}

/** What a translation must not change: values, icons, links, code, lines. */
function requireSameParts(text: string, translation: string): void {
  const parts = /\{\w+\}|\$\([^)]+\)|\((?:command|https):[^)]+\)|`[^`]+`|\n/g;
  const of = (from: string): string[] => (from.match(parts) ?? []).toSorted();
  assert.deepEqual(of(translation), of(text), translation);
  assert.equal(translation.trim(), translation);
  assert.notEqual(translation, '');
}
