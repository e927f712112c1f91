import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeMarkdown, markdownTable } from '../../../extension/presentation/markdown.ts';

test('what users wrote is text, and never Markdown', () => {
  assert.equal(escapeMarkdown('a|b *c*'), String.raw`a\|b \*c\*`);
  assert.equal(escapeMarkdown('[x](command:y)\n<b>'), String.raw`\[x\]\(command\:y\) \<b\>`);
});

test('a table has a line for each row', () => {
  assert.equal(markdownTable(['Name', 'Size'], [['x|y', '1 KiB']]), '| Name | Size |\n|:--|:--|\n| x\\|y | 1 KiB |');
});
