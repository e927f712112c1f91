import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languageTexts } from '../../../../../engine/server/language/texts.ts';

test('German for whoever speaks German, English for everybody else', () => {
  const { addCheckpoint } = languageTexts('en');
  for (const locale of ['de', 'de-AT', 'DE']) {
    assert.notEqual(languageTexts(locale).addCheckpoint, addCheckpoint, locale);
  }
  for (const locale of [undefined, '', 'fr', 'den']) {
    assert.equal(languageTexts(locale).addCheckpoint, addCheckpoint, String(locale));
  }
});

test('both say the same of the same', () => {
  const machine = { name: 'web', state: 'running' } as const;
  const last = { created: '2026-11-21T09:15:03.000Z', hasMemory: true };
  for (const locale of ['en', 'de']) {
    const texts = languageTexts(locale);
    assert.match(texts.machine(machine, 1), new RegExp(`[“„]web.*${texts.state.running}.*1 `));
    assert.notEqual(texts.checkpoints(1).replace('1', '2'), texts.checkpoints(2));
    assert.match(texts.named(2, last), /^2 .*2026-11-21T09:15:03\.000Z.*, /);
    assert.match(texts.noMachine('nowhere'), /[“„]nowhere[”“]/);
    assert.match(texts.addCheckpointOf('web'), /[“„]web[”“]/);
    assert.match(texts.grownFrom({ name: 'first' }), /[“„]first[”“]/);
  }
});
