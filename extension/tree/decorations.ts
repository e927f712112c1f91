/** Letters and colours beside the rows of the tree. What they say is in the row's tooltip and accessible name, too. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { changedPlaces, type Mark } from '../machines/marks.ts';

/** Nothing can be opened by it: it only tells whose decoration is meant. */
const scheme = 'vm-checkpoints';

const colours: Readonly<Record<Mark, string>> = {
  broken: 'list.errorForeground',
  fault: 'list.errorForeground',
  interrupted: 'list.warningForeground',
  current: 'charts.blue',
  pinned: 'charts.purple',
};

/** Marks by the places of rows; a place begins with the places above it, where some of its marks are seen as well. */
export class Decorations implements vscode.FileDecorationProvider, vscode.Disposable {
  readonly #change = new vscode.EventEmitter<vscode.Uri[]>();
  readonly #registration: vscode.Disposable;
  #marks: ReadonlyMap<string, readonly Mark[]> = new Map();

  readonly onDidChangeFileDecorations = this.#change.event;

  constructor() {
    this.#registration = vscode.window.registerFileDecorationProvider(this);
  }

  show(marks: ReadonlyMap<string, readonly Mark[]>): void {
    const changed = changedPlaces(this.#marks, marks);
    // Who tells of them may add to them before telling again.
    this.#marks = new Map(marks);
    if (changed.length > 0) {
      this.#change.fire(changed.map(uriOf));
    }
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    const marks = uri.scheme === scheme ? this.#marks.get(uri.path) : undefined;
    const [first] = marks ?? [];
    if (marks === undefined || first === undefined) {
      return undefined;
    }
    const decoration = new vscode.FileDecoration(
      marks.slice(0, 2).map(letterOf).join(''),
      marks.map(markText).join(' · '),
      new vscode.ThemeColor(colours[first]),
    );
    // A row with marks of its own would show, for what comes from below, a dot in their place: machines have their own.
    decoration.propagate = first === 'fault' || first === 'interrupted';
    return decoration;
  }

  dispose(): void {
    this.#registration.dispose();
    this.#change.dispose();
  }
}

export function uriOf(place: string): vscode.Uri {
  return vscode.Uri.from({ scheme, path: place });
}

export function placeOfHost(host: string): string {
  return `/${host}`;
}

export function placeOfGroup(host: string, group: string): string {
  return `${placeOfHost(host)}/group:${encodeURIComponent(group)}`;
}

/** Its id makes it differ from others whose folders differ in capitals only: VS Code takes those for the same. */
export function placeOfMachine({ id, host, group, folder }: MachineInfo): string {
  const above = group === undefined ? placeOfHost(host) : placeOfGroup(host, group);
  return `${above}/${encodeURIComponent(`${id}:${folder}`)}`;
}

/** `N` stands for Now, `P` for pinned. */
function letterOf(mark: Mark): string {
  switch (mark) {
    case 'broken':
    case 'fault':
      return '!';
    case 'interrupted':
      return '?';
    case 'current':
      return vscode.l10n.t('N');
    case 'pinned':
      return vscode.l10n.t('P');
  }
}

export function markText(mark: Mark): string {
  switch (mark) {
    case 'broken':
      return vscode.l10n.t('broken: Check for Problems says what is wrong');
    case 'fault':
      return vscode.l10n.t('something is wrong');
    case 'interrupted':
      return vscode.l10n.t('a job was interrupted: resume or undo it');
    case 'current':
      return vscode.l10n.t('Now grew from it');
    case 'pinned':
      return vscode.l10n.t('pinned');
  }
}
