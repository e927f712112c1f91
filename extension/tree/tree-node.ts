import type * as vscode from 'vscode';

/**
 * One line of the tree. It lives as long as its id is in the tree, so that VS Code knows it again; what it shows is
 * replaced when that changes.
 */
export abstract class TreeNode {
  /** Stable and unique in the tree: VS Code keeps selection and expansion by it. */
  readonly id: string;
  parent: TreeNode | undefined;
  children: TreeNode[] = [];

  constructor(id: string) {
    this.id = id;
  }

  abstract item(): vscode.TreeItem;

  adopt(children: TreeNode[]): void {
    this.children = children;
    for (const child of children) {
      child.parent = this;
    }
  }
}
