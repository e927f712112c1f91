/** The view: the tree, what stands in it while it is empty, and a message while the engine is away. */
import * as vscode from 'vscode';
import type { ViewState } from '../contributions/views.ts';
import { machinesViewId, viewStateKey } from '../contributions/views.ts';
import type { Engine } from '../engine/engine.ts';
import { attentionOf } from '../machines/attention.ts';
import { isFiltering } from '../machines/arrangement.ts';
import { countCheckpoints, filterText } from '../machines/descriptions.ts';
import type { Faults } from '../machines/faults.ts';
import type { JobList } from '../machines/job-list.ts';
import type { MachineList } from '../machines/machine-list.ts';
import { isFaulty } from '../machines/marks.ts';
import type { ShownMachines } from '../machines/shown-machines.ts';
import type { CheckedCheckpoints } from './checked-checkpoints.ts';
import { machineDrag } from './machine-drag.ts';
import { MachineTree, type TreeSources } from './machine-tree.ts';
import { SelectedRows } from './selected-rows.ts';
import type { TreeNode } from './tree-node.ts';
import { viewBadge } from './view-badge.ts';

const redrawMs = 60_000;

export class MachineView implements vscode.Disposable {
  readonly #engine: Engine;
  readonly #machines: MachineList;
  readonly #shown: ShownMachines;
  /** Which checkpoints are checked, while they have checkboxes. */
  readonly checked: CheckedCheckpoints;
  readonly #jobs: JobList;
  readonly #faults: Faults;
  readonly #tree: MachineTree;
  readonly #view: vscode.TreeView<TreeNode>;
  readonly #rows: SelectedRows<TreeNode>;
  readonly #subscriptions: vscode.Disposable;
  /** The only row that is selected, and what VS Code knew it by. */
  #selected: { node: TreeNode; rowId: string } | undefined;
  #redraw: NodeJS.Timeout | undefined;
  #state: ViewState | undefined;
  #message = '';

  constructor(engine: Engine, sources: TreeSources) {
    const { machines, shown, jobs, checked, faults, opened } = sources;
    this.#engine = engine;
    this.#machines = machines;
    this.#shown = shown;
    this.checked = checked;
    this.#jobs = jobs;
    this.#faults = faults;
    this.#tree = new MachineTree(sources);
    this.#view = vscode.window.createTreeView(machinesViewId, {
      treeDataProvider: this.#tree,
      dragAndDropController: machineDrag,
      showCollapseAll: true,
      canSelectMany: true,
      // A checkpoint is checked for itself: its parent in the tree is another one.
      manageCheckboxStateManually: true,
    });
    this.#rows = new SelectedRows(this.#view, this.#tree.onDidChangeTreeData);
    this.#subscriptions = vscode.Disposable.from(
      this.#view,
      this.#rows,
      this.#tree,
      engine.onDidChangeState(() => this.#showState()),
      machines.onDidChange(() => this.#showState()),
      machines.onDidChange(() => this.#showBadge()),
      jobs.onDidChange(() => this.#showBadge()),
      faults.onDidChange(() => this.#showBadge()),
      shown.onDidChange(() => this.#showState()),
      checked.onDidChange(() => this.#showState()),
      this.#view.onDidChangeCheckboxState(({ items }) =>
        items.forEach(([node, state]) => checked.set(node.id, state === vscode.TreeItemCheckboxState.Checked)),
      ),
      this.#view.onDidExpandElement(({ element }) => void opened.set(element.rowId, true)),
      this.#view.onDidCollapseElement(({ element }) => void opened.set(element.rowId, false)),
      this.#view.onDidChangeSelection(({ selection }) => this.#remember(selection)),
      this.#tree.onDidChangeTreeData(() => this.#keepSelection()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#showState()),
      this.#view.onDidChangeVisibility(({ visible }) => this.#redrawWhile(visible)),
    );
    this.#showState();
    this.#redrawWhile(this.#view.visible);
  }

  get selection(): TreeNode | undefined {
    return this.selected[0];
  }

  /** All rows that are selected. */
  get selected(): readonly TreeNode[] {
    return this.#view.selection;
  }

  /** Resolves when those that are selected are known, which they are not while they are drawn again. */
  selectionKnown(): Promise<void> {
    return this.#rows.known();
  }

  dispose(): void {
    clearInterval(this.#redraw);
    this.#subscriptions.dispose();
  }

  #showState(): void {
    const state = this.#stateNow();
    if (state !== this.#state) {
      this.#state = state;
      void vscode.commands.executeCommand('setContext', viewStateKey, state);
    }
    if (state !== 'loading') {
      this.#tree.endLoading();
    }
    // An empty text is no message.
    const message = this.#messageNow() ?? '';
    // VS Code draws what changes in the tree within 200 ms of a message only after them.
    if (message !== this.#message) {
      this.#message = message;
      this.#view.message = message;
    }
  }

  #remember([node, ...others]: readonly TreeNode[]): void {
    this.#selected = node === undefined || others.length > 0 ? undefined : { node, rowId: node.rowId };
  }

  /** A row that has become another one for VS Code is still the one that was selected. */
  #keepSelection(): void {
    const { node, rowId } = this.#selected ?? {};
    if (node !== undefined && node.rowId !== rowId && this.#tree.has(node) && this.#view.visible) {
      this.#remember([node]);
      // It may be gone once it is to be shown.
      this.#view.reveal(node, { select: true, focus: false }).then(undefined, () => undefined);
    }
  }

  #showBadge(): void {
    const attention = attentionOf(this.#machines.machines, this.#jobs.shown, (machine) =>
      isFaulty(machine, this.#faults.of(machine)),
    );
    const badge = viewBadge(attention);
    const { badge: before } = this.#view;
    if (badge?.value !== before?.value || badge?.tooltip !== before?.tooltip) {
      this.#view.badge = badge;
    }
  }

  #stateNow(): ViewState {
    const { hosts } = this.#machines;
    if (hosts === undefined) {
      return this.#engine.state.kind === 'failed' ? 'engineFailed' : 'loading';
    }
    if (this.#machines.machines.length > 0) {
      return 'machines';
    }
    if (this.#engine.state.kind === 'failed') {
      return 'engineFailed';
    }
    return hosts.some(({ id, available }) => id !== 'disks' && available) ? 'noMachines' : 'hostNotAvailable';
  }

  /** Only over machines: a view with a message shows no welcome text. */
  #messageNow(): string | undefined {
    return this.#machines.machines.length === 0
      ? undefined
      : [this.#warning(), this.#filtered(), this.#selecting()].filter((part) => part !== undefined).join(' ');
  }

  #warning(): string | undefined {
    if (this.#engine.state.kind === 'failed') {
      return vscode.l10n.t('The engine is not running, so this may be out of date. {0}', this.#engine.state.reason);
    }
    return vscode.workspace.isTrusted
      ? undefined
      : vscode.l10n.t('This workspace is not trusted: nothing is started or changed until it is.');
  }

  #filtered(): string | undefined {
    const { filter } = this.#shown;
    const { machines } = this.#machines;
    return isFiltering(filter)
      ? vscode.l10n.t(
          'Filter: {0}. Showing {1} of {2} machines.',
          filterText(filter),
          this.#shown.of(machines).length,
          machines.length,
        )
      : undefined;
  }

  #selecting(): string | undefined {
    return this.checked.isOn
      ? vscode.l10n.t(
          '{0} selected. A click, or the space key, selects and deselects.',
          countCheckpoints(this.checked.count),
        )
      : undefined;
  }

  /** Ages and expiries grow old while they are looked at, and only then. */
  #redrawWhile(visible: boolean): void {
    this.#jobs.lookWhile(visible);
    clearInterval(this.#redraw);
    this.#redraw = undefined;
    if (visible) {
      this.#tree.redrawAges();
      this.#redraw = setInterval(() => this.#tree.redrawAges(), redrawMs);
    }
  }
}
