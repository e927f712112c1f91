import assert from 'node:assert/strict';
import { test } from 'node:test';
import { englishOf, quoted, say, sayError } from '../../../engine/model/sayings.ts';
import { sentences, type Fact, type Saying, type SentenceCode } from '../../../engine/protocol/sentences.ts';
import { sayingsInWords } from '../../../extension/engine/saying-in-words.ts';
import { sayingsText } from '../../../extension/engine/saying-text.ts';
import { english, german, germanTexts, speaking } from '../../support/german.ts';

const codes = Object.keys(sentences).filter((code): code is SentenceCode => code in sentences);
const namesIn = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
/** With a fact for each name in it. */
const any = (code: SentenceCode, fact: (name: string) => Fact = (name) => `<${name}>`): Saying => ({
  code,
  facts: Object.fromEntries(namesIn(sentences[code]).map((name) => [name, fact(name)])),
});

test('each sentence of the engine has words in the editor, and another text in German that has the same facts', () => {
  assert.ok(codes.length > 20);
  for (const code of codes) {
    const missing: string[] = [];
    const said = sayingsText([any(code)], speaking(germanTexts, missing), () => '');
    assert.deepEqual(missing, [], code);
    assert.ok(said !== undefined, code);
    assert.notEqual(said, englishOf([any(code)]), code);
    for (const name of namesIn(sentences[code])) {
      assert.ok(said.includes(`<${name}>`), `${code}: ${said}`);
    }
    assert.doesNotMatch(said, /[{}]/, code);
  }
});

test('the editor says in English what the engine does', () => {
  for (const code of codes) {
    assert.equal(
      sayingsText([any(code)], english, () => ''),
      englishOf([any(code)]),
      code,
    );
  }
});

test('facts in a row, sentences within sentences, errors as they are told elsewhere', () => {
  const told: Saying[] = [
    say('machinesWillStand', { machines: quoted(['web', 'db']) }),
    say('networkNotRenewed', { reason: sayError(Object.assign(new Error('x'), { name: 'AbortError' })) }),
  ];
  assert.equal(
    englishOf(told),
    'Machines that write there stand still once it is full: “web”, “db”. ' +
      "The guest's addresses could not be renewed: Cancelled. Nothing was changed. Renew them in the guest.",
  );
  assert.equal(
    sayingsInWords(told, englishOf(told), german),
    'Ist es voll, stehen die Maschinen still, die dort schreiben: „web“, „db“. ' +
      'Die Adressen des Gasts ließen sich nicht erneuern: Abgebrochen. Nichts wurde geändert. Erneuern Sie sie im Gast.',
  );
});

test('a code that is not known here, a fact that is missing, another form: the English of the engine is shown', () => {
  for (const sayings of [
    undefined,
    null,
    'x',
    [],
    [null],
    [{}],
    [{ code: 'newerThanThis', facts: {} }],
    [{ code: 'toString', facts: {} }],
    [{ code: 'quoted', facts: {} }],
    [{ code: 'quoted', facts: { name: null } }],
    [{ code: 'quoted', facts: { name: [{ code: 'newerThanThis', facts: {} }] } }],
    [{ code: 'quoted' }],
    [{ error: 'x' }],
    [any('clockSet'), { code: 'newerThanThis', facts: {} }],
  ]) {
    assert.equal(sayingsInWords(sayings, 'It is so (ckpt doctor).', german), 'It is so.', JSON.stringify(sayings));
  }
});

test('in English the text of the engine is shown, without what to type in a shell', () => {
  assert.equal(sayingsInWords([any('clockSet')], 'It is so (ckpt doctor).', english), 'It is so.');
});
