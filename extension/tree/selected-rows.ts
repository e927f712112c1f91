/**
 * Which rows are selected. VS Code (`ExtHostTreeView`) forgets the rows below one that is drawn again until it has asked for them
 * again, and says meanwhile that none of them is selected: a key that is pressed then would act on nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type * as vscode from 'vscode';

/** What is drawn again is there again within this, also in a window that hangs; VS Code gathers what changes for 200 ms. */
const redrawMs = 3000;
const probeMs = 20;

export class SelectedRows<Row> implements vscode.Disposable {
  readonly #view: Pick<vscode.TreeView<Row>, 'selection'>;
  readonly #listeners: readonly Pick<vscode.Disposable, 'dispose'>[];
  #drawnAt = -Infinity;
  /** Goes up when somebody selects something. */
  #changes = 0;
  #told: number;

  /** @param onDidDraw rows are to be drawn again */
  constructor(
    view: Pick<vscode.TreeView<Row>, 'selection' | 'onDidChangeSelection'>,
    onDidDraw: vscode.Event<unknown>,
  ) {
    this.#view = view;
    this.#told = view.selection.length;
    this.#listeners = [
      view.onDidChangeSelection(({ selection }) => {
        this.#changes++;
        this.#told = selection.length;
      }),
      onDidDraw(() => (this.#drawnAt = performance.now())),
    ];
  }

  /** Resolves when those that were selected at this moment are known. */
  async known(): Promise<void> {
    const changes = this.#changes;
    // One that was selected while it was forgotten was told as none.
    const expected = Math.max(this.#told, 1);
    while (
      this.#view.selection.length < expected &&
      this.#changes === changes &&
      performance.now() < this.#drawnAt + redrawMs
    ) {
      await delay(probeMs);
    }
  }

  dispose(): void {
    for (const listener of this.#listeners) {
      listener.dispose();
    }
  }
}
