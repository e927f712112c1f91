import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type * as vscode from 'vscode';
import { SelectedRows } from '../../../extension/tree/selected-rows.ts';

/** A view as VS Code has it: what is selected, of which it knows only what it has asked for since it was drawn last. */
class View {
  selection: string[] = [];
  readonly #listeners: ((event: vscode.TreeViewSelectionChangeEvent<string>) => void)[] = [];
  readonly #draws: ((rows: unknown) => void)[] = [];
  #selected: string[] = [];

  readonly onDidChangeSelection = (listener: (event: vscode.TreeViewSelectionChangeEvent<string>) => void) => {
    this.#listeners.push(listener);
    return { dispose: () => undefined };
  };
  readonly onDidDraw = (listener: (rows: unknown) => void) => {
    this.#draws.push(listener);
    return { dispose: () => undefined };
  };

  select(...rows: string[]): void {
    const isForgotten = this.selection.length < this.#selected.length;
    this.#selected = rows;
    this.selection = isForgotten ? [] : rows;
    this.#listeners.forEach((listener) => listener({ selection: this.selection }));
  }

  draw(): void {
    this.selection = [];
    this.#draws.forEach((listener) => listener(undefined));
  }

  fetch(): void {
    this.selection = this.#selected;
  }
}

async function isKnown(rows: SelectedRows<string>): Promise<{ readonly now: boolean }> {
  const state = { now: false };
  void rows.known().then(() => (state.now = true));
  await nextTurn();
  return state;
}

const ended = (state: { readonly now: boolean }): Promise<void> =>
  (async () => {
    while (!state.now) await nextTurn();
  })();

test('nothing is drawn → what is selected is known, be it nothing', async () => {
  const view = new View();
  const rows = new SelectedRows(view, view.onDidDraw);
  assert.ok((await isKnown(rows)).now);
  view.select('one');
  assert.ok((await isKnown(rows)).now);
});

test('drawn again → known once it was fetched', async () => {
  const view = new View();
  const rows = new SelectedRows(view, view.onDidDraw);
  view.select('one', 'two');
  view.draw();
  const known = await isKnown(rows);
  assert.ok(!known.now);
  view.selection = ['one'];
  await nextTurn();
  assert.ok(!known.now, 'both are to be known');
  view.fetch();
  await ended(known);
});

test('selected while it is drawn again → known once it was fetched', async () => {
  const view = new View();
  const rows = new SelectedRows(view, view.onDidDraw);
  view.select('one');
  view.draw();
  view.select('two');
  const known = await isKnown(rows);
  assert.ok(!known.now);
  view.fetch();
  await ended(known);
  assert.deepEqual(view.selection, ['two']);
});

test('somebody selects another row meanwhile → what the key was pressed on is not looked for any longer', async () => {
  const view = new View();
  const rows = new SelectedRows(view, view.onDidDraw);
  view.draw();
  const known = await isKnown(rows);
  assert.ok(!known.now);
  view.select();
  await ended(known);
});
