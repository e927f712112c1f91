/** The mode in which checkpoints have checkboxes, and which of them are checked. */
import * as vscode from 'vscode';
import { selectingKey } from '../contributions/views.ts';

export class CheckedCheckpoints implements vscode.Disposable {
  readonly #change = new vscode.EventEmitter<string | undefined>();
  /** Ids of nodes; absent while the mode is off. */
  #checked: Set<string> | undefined;

  /** With the id of the one node that was checked or unchecked; without one when the mode began or ended. */
  readonly onDidChange = this.#change.event;

  get isOn(): boolean {
    return this.#checked !== undefined;
  }

  get count(): number {
    return this.#checked?.size ?? 0;
  }

  has(node: string): boolean {
    return this.#checked?.has(node) === true;
  }

  begin(): void {
    this.#checked ??= new Set();
    this.#tell();
  }

  end(): void {
    this.#checked = undefined;
    this.#tell();
  }

  set(node: string, isChecked: boolean): void {
    if (isChecked) {
      this.#checked?.add(node);
    } else {
      this.#checked?.delete(node);
    }
    this.#change.fire(node);
  }

  /** Forgets those that are not there any more. */
  keepOnly(isThere: (node: string) => boolean): void {
    for (const node of [...(this.#checked ?? [])].filter((one) => !isThere(one))) {
      this.#checked?.delete(node);
    }
  }

  dispose(): void {
    this.#change.dispose();
  }

  #tell(): void {
    void vscode.commands.executeCommand('setContext', selectingKey, this.isOn);
    this.#change.fire(undefined);
  }
}
