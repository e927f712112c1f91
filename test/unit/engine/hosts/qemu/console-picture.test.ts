import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consolePicture } from '../../../../../engine/hosts/qemu/console-picture.ts';
import { longestPicture } from '../../../../../engine/model/console-picture.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const picture = (text: string, isCut = false, before?: string): string | undefined =>
  consolePicture(Buffer.from(text), isCut, before);

test('the last lines, and the prompt with the blank that it ends in', () => {
  assert.equal(picture('Welcome\r\n\r\nlab login: '), 'Welcome\n\nlab login: ');
  assert.equal(picture('one  \r\ntwo\r\n'), 'one\ntwo\n');
  const lines = Array.from({ length: 40 }, (_, at) => `line ${at}`);
  assert.equal(picture(lines.join('\r\n')), lines.slice(-12).join('\n'));
  assert.equal(picture(`${lines.join('\n')}\n`), `${lines.slice(-12).join('\n')}\n`);
});

test('an empty screen is none', () => {
  for (const empty of ['', '\r\n \r\n', '\u001b[2J', 'gone\r\n\u001b[H\u001b[J']) {
    assert.equal(picture(empty), undefined, JSON.stringify(empty));
  }
});

test('what was there before the screen was last cleared is gone', () => {
  for (const clear of ['\u001b[2J', '\u001b[3J', '\u001bc', '\u001b[H\u001b[J', '\u001b[1;1H\u001b[0J']) {
    assert.equal(picture(`boot\n${clear}menu\n`), 'menu\n', JSON.stringify(clear));
  }
});

test('what was written over is gone; what was erased, too', () => {
  assert.equal(picture('10 %\r50 %\r100 %\r\ndone\r\n'), '100 %\ndone\n');
  assert.equal(picture('downloading\rok\u001b[K\r\n'), 'ok\n');
  assert.equal(picture('$ lx\b\u001b[Js\r\n'), '$ ls\n');
  assert.equal(picture('a\tb\r\n'), 'a       b\n');
  assert.equal(picture('\b\b\bx\n'), 'x\n');
});

test('colours and titles mean nothing; a sequence that is not whole is left out, other control characters, too', () => {
  assert.equal(picture('\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text\n'), 'red text\n');
  assert.equal(picture('$ \u001b[3'), '$ ');
  assert.equal(picture('a\u0000\u0007\u009bb\u202ec\u2028d\n'), 'abcd\n');
});

test('cut at the beginning → the first line, of which a part is missing, is left out', () => {
  assert.equal(picture('lf a line\r\nwhole\r\n', true), 'whole\n');
  assert.equal(picture('lf a line\r\nwhole\r\n', true, 'before'), 'whole\n');
});

test('a guest that came back goes on where its screen was', () => {
  assert.equal(picture('ls\r\nbin\r\n', false, 'welcome\n$ '), 'welcome\n$ ls\nbin\n');
  assert.equal(picture('', false, 'welcome\n$ '), 'welcome\n$ ');
  assert.equal(picture('\u001b[2Jnew\n', false, 'welcome\n$ '), 'new\n');
});

test('long lines end at 120 characters, whatever these are', () => {
  assert.equal(picture(`${'ä'.repeat(200)}\n`), `${'ä'.repeat(120)}\n`);
  assert.equal(picture(`${'🙂'.repeat(200)}\n`), `${'🙂'.repeat(120)}\n`);
});

test('whatever a guest writes → a picture that may be kept and shown', () => {
  const random = seededRandom();
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 300; round += 1) {
    const bytes = Buffer.from(Array.from({ length: below(3000) }, () => below(256)));
    const shown = consolePicture(bytes, round % 2 === 0, 'x\n$ ');
    assert.ok((shown ?? '').length <= longestPicture);
    // eslint-disable-next-line no-control-regex -- but for newlines
    assert.doesNotMatch(shown ?? '', /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    assert.ok((shown ?? '').split('\n').length <= 13);
  }
});
