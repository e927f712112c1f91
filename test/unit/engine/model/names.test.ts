import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointName, defaultCheckpointName, machineName } from '../../../../engine/model/names.ts';

const both = { checkpoint: checkpointName, machine: machineName };

const accepted: [what: string, name: string][] = [
  ['one character', 'a'],
  ['words', 'before the upgrade'],
  ['100 characters', 'x'.repeat(100)],
  ['many scripts', 'перед ä 中文 العربية'],
  ['an emoji of several characters', '👩‍💻 ok'],
  ['punctuation that no file system minds', 'v1.2, (draft) #3 & more = 50% + ~'],
  ['what only begins like a device', 'console'],
  ['a device number that is none', 'com10'],
];

const refused: [what: string, name: string, problem: RegExp][] = [
  ['nothing', '', /must not be empty/],
  ['white space alone', ' \t \u00a0 ', /must not be empty/],
  ['101 characters', 'x'.repeat(101), /longer than 100 characters/],
  ['300 characters', 'n'.repeat(300), /longer than 100 characters/],
  ['101 emoji', '🙂'.repeat(101), /longer than 100 characters/],
  ['a double quote', 'say "hi"', /quotes or slashes/],
  ['a single quote', "it's", /quotes or slashes/],
  ['a back quote', '`id`', /quotes or slashes/],
  ['a slash', 'a/b', /quotes or slashes/],
  ['a way out', '../../etc', /quotes or slashes/],
  ['a backslash', 'a\\b', /quotes or slashes/],
  ['a line feed', 'two\nlines', /line breaks or other control characters/],
  ['a carriage return', 'two\rlines', /line breaks or other control characters/],
  ['a line separator', 'two\u2028lines', /line breaks or other control characters/],
  ['a paragraph separator', 'two\u2029lines', /line breaks or other control characters/],
  ['a tab', 'a\tb', /line breaks or other control characters/],
  ['a zero', 'a\0b', /line breaks or other control characters/],
  ['an escape sequence', 'a\u001b[31mb', /line breaks or other control characters/],
  ['a right-to-left override', 'abc\u202etxt.exe', /line breaks or other control characters/],
  ['a right-to-left isolate', 'abc\u2067def', /line breaks or other control characters/],
  ['a right-to-left mark', 'abc\u200fdef', /line breaks or other control characters/],
  ['a byte order mark within', 'abc\ufeffdef', /line breaks or other control characters/],
  ['half a character', 'a\ud800b', /line breaks or other control characters/],
];

for (const [kind, check] of Object.entries(both)) {
  for (const [what, name] of accepted) {
    test(`${kind} name: ${what} → accepted as it is`, () => {
      assert.equal(check(name), name.normalize('NFC'));
    });
  }
  for (const [what, name, problem] of refused) {
    test(`${kind} name: ${what} → InvalidName, with the reason`, () => {
      assert.throws(() => check(name), { name: 'CheckpointError', code: 'InvalidName', message: problem });
    });
  }
  test(`${kind} name: white space around it → taken off`, () => {
    assert.equal(check('  two words \n'), 'two words');
  });
  test(`${kind} name: two spellings of one character → one name`, () => {
    assert.equal(check('Zoe\u0308'), 'Zo\u00eb');
  });
}

const onlyForCheckpoints: [what: string, name: string, problem: RegExp][] = [
  ...['<', '>', ':', '|', '?', '*'].map((character): [string, string, RegExp] => [
    `the character ${character}`,
    `a${character}b`,
    /must not contain any of/,
  ]),
  ['a dot at the beginning', '.hidden', /begin with a dot or a hyphen/],
  ['the folder itself', '.', /begin with a dot or a hyphen/],
  ['the folder above', '..', /begin with a dot or a hyphen/],
  ['what looks like an option', '-rf', /begin with a dot or a hyphen/],
  ['a dot at the end', 'name.', /end with a dot/],
  ...['con', 'PRN', 'Aux', 'nul', 'COM1', 'com0', 'LPT9', 'com¹', 'nul.txt', 'CON.tar.gz'].map(
    (device): [string, string, RegExp] => [`the device ${device}`, device, /device name on Windows/],
  ),
  ['more bytes than a folder name may have', '中'.repeat(67), /longer than 200 bytes/],
];

for (const [what, name, problem] of onlyForCheckpoints) {
  test(`${what} → a checkpoint may be called so, a machine not`, () => {
    assert.equal(checkpointName(name), name);
    assert.throws(() => machineName(name), { name: 'CheckpointError', code: 'InvalidName', message: problem });
  });
}

test('a refused name in the message → shortened, without its control characters', () => {
  assert.throws(
    () => machineName(`\u001b]0;${'x'.repeat(300)}`),
    (error: Error) => {
      assert.ok(!/\p{Cc}/u.test(error.message));
      assert.ok(error.message.length < 200);
      return true;
    },
  );
});

test('no name given → local date and time', () => {
  const name = defaultCheckpointName(new Date(2026, 0, 2, 3, 4, 5));
  assert.equal(name, '2026-01-02 03:04:05');
  assert.equal(checkpointName(name), name);
});
