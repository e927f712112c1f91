/** Which rows somebody opened or closed, kept in the workspace from one window to the next: VS Code forgets it. */
import * as vscode from 'vscode';

const openedKey = 'openedRows';

/** The latest ones; of the others, and of those that are gone, nothing is known. */
const mostRows = 500;

export class OpenedRows {
  readonly #memory: vscode.Memento;
  /** By what VS Code knows a row by, the latest last. */
  readonly #isOpen: Map<string, boolean>;

  constructor(memory: vscode.Memento) {
    this.#memory = memory;
    this.#isOpen = readRows(memory.get(openedKey));
  }

  /** As somebody left it, where it can be opened at all. */
  stateOf({ id, collapsibleState }: vscode.TreeItem): vscode.TreeItemCollapsibleState | undefined {
    const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
    const isOpen = id === undefined ? undefined : this.#isOpen.get(id);
    return isOpen === undefined || collapsibleState === None ? collapsibleState : isOpen ? Expanded : Collapsed;
  }

  forget(row: string): void {
    this.#isOpen.delete(row);
  }

  async set(row: string, isOpen: boolean): Promise<void> {
    this.#isOpen.delete(row);
    this.#isOpen.set(row, isOpen);
    for (const oldest of [...this.#isOpen.keys()].slice(0, -mostRows)) {
      this.#isOpen.delete(oldest);
    }
    await this.#memory.update(openedKey, [...this.#isOpen]);
  }
}

/** What was kept, as far as it can be believed. */
function readRows(kept: unknown): Map<string, boolean> {
  const rows: unknown[] = Array.isArray(kept) ? kept : [];
  return new Map(
    rows.flatMap((row): [string, boolean][] => {
      const pair: unknown[] = Array.isArray(row) ? row : [];
      const [id, isOpen] = pair;
      return typeof id === 'string' && typeof isOpen === 'boolean' ? [[id, isOpen]] : [];
    }),
  );
}
