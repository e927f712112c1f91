import { stripVTControlCharacters } from 'node:util';
import { mostColumns, mostLines } from '../../model/console-picture.ts';

/** Of what the guest wrote to its console, so much is looked at. */
export const lookedAtBytes = 16 * 1024;

const tabColumns = 8;

/** What clears the screen (ECMA-48 ED, `ESC c` of a terminal, and to erase from its upper left corner on). */
// eslint-disable-next-line no-control-regex -- that is what begins a sequence
const clearsScreen = /\u001bc|\u001b\[[23]J|\u001b\[(?:1;1)?[Hf]\u001b\[0?J/g;

/** What erases from the cursor on: of its line in any case. */
// eslint-disable-next-line no-control-regex -- that is what begins a sequence
const erasesOn = /\u001b\[0?[JK]/g;

/** A sequence whose end was not yet written. */
// eslint-disable-next-line no-control-regex -- that is what begins a sequence
const unfinished = /\u001b(?:\[[0-9;?]*)?$/;

const eraser = '\u0000';

/**
 * What a guest's console showed: the last lines of what it wrote, as plain text that means nothing to a terminal. It knows no
 * more of terminals than that guests clear the screen and write over lines.
 *
 * The last line may be unfinished, such as a prompt: then no newline follows it.
 * @param written the end of what it wrote
 * @param isCut more came before that
 * @param before what its console showed when it began to write, where that is known
 * @returns undefined for an empty screen
 */
export function consolePicture(written: Uint8Array, isCut: boolean, before = ''): string | undefined {
  const text = new TextDecoder().decode(written);
  const whole = isCut ? text.slice(text.indexOf('\n') + 1) : before + text;
  const screen = afterLast(whole.replaceAll(eraser, ''), clearsScreen).replace(unfinished, '');
  const lines = stripVTControlCharacters(screen.replaceAll(erasesOn, eraser)).split('\n').map(shownLine);
  const isFinished = lines.at(-1) === '';
  const last = (isFinished ? lines.slice(0, -1) : lines).slice(-mostLines);
  const first = last.findIndex((line) => line.trim() !== '');
  return first === -1 ? undefined : `${last.slice(first).join('\n')}${isFinished ? '\n' : ''}`;
}

function afterLast(text: string, separator: RegExp): string {
  const last = [...text.matchAll(separator)].at(-1);
  return last === undefined ? text : text.slice(last.index + last[0].length);
}

/** One line as it looked in the end: written over after carriage returns and backspaces. */
function shownLine(line: string, at: number, lines: readonly string[]): string {
  const cells: string[] = [];
  let column = 0;
  for (const character of line) {
    if (character === '\r') {
      column = 0;
    } else if (character === '\b') {
      column = Math.max(0, column - 1);
    } else if (character === eraser) {
      cells.length = Math.min(cells.length, column);
    } else if (character === '\t') {
      column = (Math.floor(column / tabColumns) + 1) * tabColumns;
    } else if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character)) {
      cells[column] = character;
      column += 1;
    }
  }
  const shown = Array.from(cells, (cell: string | undefined) => cell ?? ' ')
    .slice(0, mostColumns)
    .join('');
  // What follows a prompt belongs to it.
  return at === lines.length - 1 ? shown : shown.trimEnd();
}
