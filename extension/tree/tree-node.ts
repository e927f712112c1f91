import type * as vscode from 'vscode';
import type { Mark } from '../machines/marks.ts';

/**
 * One line of the tree. It lives as long as its id is in the tree, so that VS Code knows it again; what it shows is
 * replaced when that changes.
 */
export abstract class TreeNode {
  /** Stable and unique in the tree: VS Code keeps selection and expansion by it. */
  readonly id: string;
  parent: TreeNode | undefined;
  children: TreeNode[] = [];
  /** The worst first. */
  marks: readonly Mark[] = [];

  constructor(id: string) {
    this.id = id;
  }

  /** Where its marks belong, see `decorations.ts`; absent for a row that has none. */
  get place(): string | undefined {
    return undefined;
  }

  /** Without what {@link tooltip} says of it. */
  abstract item(): vscode.TreeItem;

  /** What VS Code knows the row by: it is another one when that changes. */
  get rowId(): string {
    return this.id;
  }

  /** Made when somebody points at the row, and not before. @param _token that nobody points at it any more */
  tooltip(_token: vscode.CancellationToken): Promise<vscode.MarkdownString> | vscode.MarkdownString | undefined {
    return undefined;
  }

  adopt(children: TreeNode[]): void {
    this.children = children;
    for (const child of children) {
      child.parent = this;
    }
  }
}
