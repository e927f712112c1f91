/** The tree of hosts, machines and checkpoints: keeps one node for each id, and tells VS Code which of them changed. */
import * as vscode from 'vscode';
import type { HostInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointDetails } from '../machines/checkpoint-details.ts';
import { compareNames, isUnread } from '../machines/arrangement.ts';
import type { CheckpointRow } from '../machines/checkpoint-rows.ts';
import { checkpointRows } from '../machines/checkpoint-rows.ts';
import type { CheckpointGroup } from '../machines/groups.ts';
import { checkpointGroups } from '../machines/groups.ts';
import type { Faults } from '../machines/faults.ts';
import type { JobList, ShownJob } from '../machines/job-list.ts';
import type { MachineList } from '../machines/machine-list.ts';
import { marksOf, type Mark, type MachineMarks } from '../machines/marks.ts';
import type { ShownMachines } from '../machines/shown-machines.ts';
import type { TrashSizes } from '../machines/trash-sizes.ts';
import type { CheckedCheckpoints } from './checked-checkpoints.ts';
import { CheckpointNode } from './checkpoint-node.ts';
import { Decorations, markText, uriOf } from './decorations.ts';
import { GroupNode, GroupsNode } from './group-nodes.ts';
import { GuardNode } from './guard-node.ts';
import { HostNode } from './host-node.ts';
import { JobNode } from './job-node.ts';
import { MachineGroupNode } from './machine-group-node.ts';
import { MachineNode } from './machine-node.ts';
import { NowNode } from './now-node.ts';
import type { OpenedRows } from './opened-rows.ts';
import { ProblemNode } from './problem-node.ts';
import { withMarks } from './tooltip.ts';
import { TrashNode, TrashedNode } from './trash-nodes.ts';
import type { TreeNode } from './tree-node.ts';

/** With more machines than fit into the side bar, each begins closed: it is one line, and drawn in a moment. */
const mostOpenMachines = 12;

/** What the tree is made of. */
export interface TreeSources {
  machines: MachineList;
  shown: ShownMachines;
  jobs: JobList;
  sizes: TrashSizes;
  checked: CheckedCheckpoints;
  faults: Faults;
  details: CheckpointDetails;
  opened: OpenedRows;
}

export class MachineTree implements vscode.TreeDataProvider<TreeNode>, vscode.Disposable {
  readonly #machines: MachineList;
  readonly #shown: ShownMachines;
  readonly #jobs: JobList;
  readonly #sizes: TrashSizes;
  readonly #checked: CheckedCheckpoints;
  readonly #faults: Faults;
  readonly #details: CheckpointDetails;
  readonly #opened: OpenedRows;
  readonly #decorations = new Decorations();
  readonly #change = new vscode.EventEmitter<TreeNode[] | undefined>();
  readonly #listeners: vscode.Disposable;
  #nodes = new Map<string, TreeNode>();
  #roots: TreeNode[] = [];
  #isLoading = true;
  /** Ask for the roots and get them once there are any: VS Code shows its progress until then, and asks only once. */
  #waiting: ((roots: TreeNode[]) => void)[] = [];
  /** By place. */
  #marks = new Map<string, readonly Mark[]>();

  readonly onDidChangeTreeData = this.#change.event;

  constructor({ machines, shown, jobs, sizes, checked, faults, details, opened }: TreeSources) {
    this.#machines = machines;
    this.#shown = shown;
    this.#jobs = jobs;
    this.#sizes = sizes;
    this.#checked = checked;
    this.#faults = faults;
    this.#details = details;
    this.#opened = opened;
    this.#listeners = vscode.Disposable.from(
      machines.onDidChange((change) => this.#update(change.machines)),
      shown.onDidChange(() => this.#update(undefined)),
      jobs.onDidChange(({ progressed }) =>
        progressed === undefined ? this.#update(undefined) : this.#redraw(progressed),
      ),
      faults.onDidChange(() => this.#update(undefined)),
      sizes.onDidChange((machine) => this.#redrawNode(TrashNode.idOf(machine))),
      checked.onDidChange((id) => (id === undefined ? this.#change.fire(undefined) : this.#redrawNode(id))),
    );
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const item = node.item();
    // When it has children again, such as Now, they are to be seen.
    if (node instanceof CheckpointNode && node.children.length === 0) {
      this.#opened.forget(node.parentRowId);
    }
    const state = this.#opened.stateOf(item);
    if (state !== undefined) {
      item.collapsibleState = state;
    }
    const { place, marks } = node;
    if (place !== undefined) {
      item.resourceUri = uriOf(place);
    }
    // The rest is in what the row says by itself.
    const heard = marks.filter((mark) => mark !== 'pinned').map(markText);
    const { accessibilityInformation: said } = item;
    if (said !== undefined && heard.length > 0) {
      item.accessibilityInformation = { ...said, label: [said.label, ...heard].join(', ') };
    }
    return item;
  }

  async resolveTreeItem(
    item: vscode.TreeItem,
    node: TreeNode,
    token: vscode.CancellationToken,
  ): Promise<vscode.TreeItem> {
    const text = await node.tooltip(token);
    if (text !== undefined) {
      item.tooltip = withMarks(text, node.marks.map(markText));
    }
    return item;
  }

  getChildren(node?: TreeNode): TreeNode[] | Promise<TreeNode[]> {
    if (node instanceof MachineNode && !node.isFilled) {
      this.#fill(node, this.#nodes);
      this.#decorations.show(this.#marks);
    }
    if (node !== undefined) {
      return node.children;
    }
    return this.#isLoading ? new Promise((resolve) => this.#waiting.push(resolve)) : this.#roots;
  }

  /** To be called when it is known what to show, be it nothing. */
  endLoading(): void {
    this.#isLoading = false;
    for (const answer of this.#waiting.splice(0)) {
      answer(this.#roots);
    }
  }

  has(node: TreeNode): boolean {
    return this.#nodes.get(node.id) === node;
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return node.parent;
  }

  /** Draws what depends on the clock again. */
  redrawAges(): void {
    const aged = [...this.#nodes.values()].filter(
      (node) => (node instanceof MachineNode && hasAges(node.machine)) || node instanceof GroupsNode,
    );
    if (aged.length > 0) {
      this.#change.fire(aged);
    }
  }

  dispose(): void {
    this.#listeners.dispose();
    this.#decorations.dispose();
    this.#change.dispose();
  }

  /** @param changed machines that alone are to be drawn again */
  #update(changed: readonly MachineInfo[] | undefined): void {
    const before = this.#nodes;
    const placesBefore = this.#places();
    this.#nodes = new Map();
    this.#marks = new Map();
    const hosts = this.#machines.hosts ?? [];
    // A lone host without machines is left out, so that the view says what to do next.
    const empty = hosts.every((host) => host.machines.length === 0);
    // Disks only is always available, and says nothing while it has no machine.
    const shown = hosts.filter(({ id, machines }) => id !== 'disks' || machines.length > 0);
    const groups = checkpointGroups(this.#machines.machines);
    this.#roots = [
      ...this.#jobs.shown.filter(({ machine }) => machine === undefined).map((job) => this.#job(job, before)),
      ...(empty ? [] : shown.map((host) => this.#host(host, before))),
      ...(groups.length === 0 ? [] : [this.#groups(groups, before)]),
    ];
    this.#decorations.show(this.#marks);
    this.#checked.keepOnly((id) => this.#nodes.has(id));
    if (this.#waiting.length > 0) {
      // Who waits gets all of it, and would only ask once more.
      return;
    }
    const groupsNode = this.#nodes.get(GroupsNode.id);
    // One that a filter hides has no node.
    const nodes = (changed ?? []).flatMap((machine) => this.#nodes.get(MachineNode.idOf(machine)) ?? []);
    const isInPlace = placesBefore === this.#places() && groupsNode === before.get(GroupsNode.id);
    this.#change.fire(
      changed !== undefined && isInPlace ? [...nodes, ...(groupsNode === undefined ? [] : [groupsNode])] : undefined,
    );
  }

  /** Where which machine is: the nodes above it have to be drawn again when that changes. */
  #places(): string {
    const placesIn = (nodes: readonly TreeNode[]): unknown[] =>
      nodes.map((node) =>
        node instanceof HostNode || node instanceof MachineGroupNode ? [node.id, placesIn(node.children)] : node.id,
      );
    return JSON.stringify(placesIn(this.#roots));
  }

  #redraw(jobs: readonly ShownJob[]): void {
    const nodes = jobs.flatMap((job) => {
      const node = this.#nodes.get(JobNode.idOf(job));
      if (!(node instanceof JobNode)) {
        return [];
      }
      node.job = job;
      return [node];
    });
    if (nodes.length > 0) {
      this.#change.fire(nodes);
    }
  }

  #redrawNode(id: string): void {
    const node = this.#nodes.get(id);
    if (node !== undefined) {
      this.#change.fire([node]);
    }
  }

  #host(host: HostInfo, before: Map<string, TreeNode>): HostNode {
    const node = this.#keep(before, HostNode, HostNode.idOf(host), () => new HostNode(host));
    node.host = host;
    node.adopt([
      ...(host.problem === undefined ? [] : [this.#problem(node.id, host.problem, before)]),
      ...this.#grouped(host, before),
    ]);
    return node;
  }

  /** Groups by name, then what is in none. A group without a machine to show is not there. */
  #grouped(host: HostInfo, before: Map<string, TreeNode>): TreeNode[] {
    const shown = this.#shown.of(host.machines);
    const names = new Set(shown.flatMap(({ group }) => group ?? []));
    const of = (group: string | undefined): MachineNode[] =>
      shown.filter((machine) => machine.group === group).map((machine) => this.#machine(machine, before));
    const groups = [...names].toSorted(compareNames).map((name) => {
      const id = MachineGroupNode.idOf(host, name);
      const node = this.#keep(before, MachineGroupNode, id, () => new MachineGroupNode(host, name));
      node.host = host;
      node.adopt(of(name));
      return node;
    });
    return [...groups, ...of(undefined)];
  }

  #machine(machine: MachineInfo, before: Map<string, TreeNode>): MachineNode {
    const isOneOfMany = this.#machines.machines.length > mostOpenMachines;
    const id = MachineNode.idOf(machine);
    const node = this.#keep(before, MachineNode, id, () => new MachineNode(machine, isOneOfMany));
    node.machine = machine;
    this.#mark(node, this.#marksOf(machine).machine);
    if (node.isFilled) {
      this.#fill(node, before);
    }
    return node;
  }

  /** What is in a machine that nobody opens is not made. */
  #fill(node: MachineNode, before: Map<string, TreeNode>): void {
    const { machine } = node;
    node.isFilled = true;
    const marks = this.#marksOf(machine);
    const damage = isUnread(machine) ? machine.problem : undefined;
    node.adopt([
      ...(damage === undefined ? [] : [this.#problem(node.id, damage, before)]),
      ...this.#jobs.of(machine).map((job) => this.#job(job, before)),
      ...checkpointRows(machine).map((row) => this.#row(machine, row, marks, before)),
      ...(machine.trash.length === 0 ? [] : [this.#trash(machine, before)]),
    ]);
  }

  #row(machine: MachineInfo, row: CheckpointRow, marks: MachineMarks, before: Map<string, TreeNode>): TreeNode {
    if (row.kind === 'now') {
      return this.#now(machine, before);
    }
    if (row.kind === 'guard') {
      const guardId = GuardNode.idOf(machine, row.before);
      const guard = this.#keep(before, GuardNode, guardId, () => new GuardNode(machine, row.before));
      guard.before = row.before;
      guard.adopt(row.rows.map((child) => this.#row(machine, child, marks, before)));
      return guard;
    }
    const { checkpoint, parent } = row;
    const id = CheckpointNode.idOf(machine, checkpoint);
    const sources = { checked: this.#checked, details: this.#details };
    const node = this.#keep(before, CheckpointNode, id, () => new CheckpointNode(machine, checkpoint, sources));
    node.machine = machine;
    node.checkpoint = checkpoint;
    node.grewFrom = parent;
    this.#mark(node, marks.checkpoints.get(checkpoint.id) ?? []);
    node.adopt(row.rows.map((child) => this.#row(machine, child, marks, before)));
    return node;
  }

  #marksOf(machine: MachineInfo): MachineMarks {
    return marksOf(machine, this.#faults.of(machine), this.#jobs.of(machine));
  }

  #mark(node: TreeNode, marks: readonly Mark[]): void {
    node.marks = marks;
    if (node.place !== undefined && marks.length > 0) {
      this.#marks.set(node.place, marks);
    }
  }

  #trash(machine: MachineInfo, before: Map<string, TreeNode>): TrashNode {
    const id = TrashNode.idOf(machine);
    const node = this.#keep(before, TrashNode, id, () => new TrashNode(machine, this.#sizes));
    node.machine = machine;
    // The last deleted comes first.
    node.adopt(
      machine.trash.toReversed().map((trashed) => {
        const trashedId = TrashedNode.idOf(machine, trashed);
        const child = this.#keep(before, TrashedNode, trashedId, () => new TrashedNode(machine, trashed));
        child.machine = machine;
        child.trashed = trashed;
        return child;
      }),
    );
    return node;
  }

  #job(job: ShownJob, before: Map<string, TreeNode>): JobNode {
    const node = this.#keep(before, JobNode, JobNode.idOf(job), () => new JobNode(job));
    node.job = job;
    return node;
  }

  #groups(groups: readonly CheckpointGroup[], before: Map<string, TreeNode>): GroupsNode {
    const node = this.#keep(before, GroupsNode, GroupsNode.id, () => new GroupsNode());
    node.adopt(
      groups.map((group) => {
        const child = this.#keep(before, GroupNode, GroupNode.idOf(group), () => new GroupNode(group));
        child.group = group;
        return child;
      }),
    );
    return node;
  }

  #now(machine: MachineInfo, before: Map<string, TreeNode>): NowNode {
    const node = this.#keep(before, NowNode, NowNode.idOf(machine), () => new NowNode(machine));
    node.machine = machine;
    return node;
  }

  #problem(parentId: string, problem: string, before: Map<string, TreeNode>): ProblemNode {
    const id = ProblemNode.idOf(parentId);
    const node = this.#keep(before, ProblemNode, id, () => new ProblemNode(parentId, problem));
    node.problem = problem;
    return node;
  }

  /** The node that had this id before, or a new one. */
  #keep<N extends TreeNode>(
    before: Map<string, TreeNode>,
    kind: abstract new (...never: never[]) => N,
    id: string,
    create: () => N,
  ): N {
    const known = before.get(id);
    const node = known instanceof kind ? known : create();
    this.#nodes.set(id, node);
    return node;
  }
}

function hasAges({ checkpoints, trash }: MachineInfo): boolean {
  return checkpoints.length + trash.length > 0;
}
