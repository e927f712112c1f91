/** The tree of hosts, machines and checkpoints: keeps one node for each id, and tells VS Code which of them changed. */
import * as vscode from 'vscode';
import type { HostInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointBranch } from '../machines/checkpoint-tree.ts';
import { checkpointTree } from '../machines/checkpoint-tree.ts';
import type { MachineList } from '../machines/machine-list.ts';
import { CheckpointNode } from './checkpoint-node.ts';
import { HostNode } from './host-node.ts';
import { MachineNode } from './machine-node.ts';
import { NowNode } from './now-node.ts';
import { ProblemNode } from './problem-node.ts';
import type { TreeNode } from './tree-node.ts';

export class MachineTree implements vscode.TreeDataProvider<TreeNode>, vscode.Disposable {
  readonly #machines: MachineList;
  readonly #change = new vscode.EventEmitter<TreeNode[] | undefined>();
  readonly #listener: vscode.Disposable;
  #nodes = new Map<string, TreeNode>();
  #roots: HostNode[] = [];

  readonly onDidChangeTreeData = this.#change.event;

  constructor(machines: MachineList) {
    this.#machines = machines;
    this.#listener = machines.onDidChange((change) => this.#update(change.machines));
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    return node.item();
  }

  getChildren(node?: TreeNode): TreeNode[] {
    return node === undefined ? this.#roots : node.children;
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return node.parent;
  }

  /** Draws what depends on the clock again. */
  redrawAges(): void {
    const aged = this.#machineNodes().filter(({ machine }) => machine.checkpoints.length > 0);
    if (aged.length > 0) {
      this.#change.fire(aged);
    }
  }

  dispose(): void {
    this.#listener.dispose();
    this.#change.dispose();
  }

  #update(changed: readonly MachineInfo[] | undefined): void {
    const before = this.#nodes;
    this.#nodes = new Map();
    const hosts = this.#machines.hosts ?? [];
    // A lone host without machines is left out, so that the view says what to do next.
    const empty = hosts.every((host) => host.machines.length === 0);
    // Disks only is always available, and says nothing while it has no machine.
    const shown = hosts.filter(({ id, machines }) => id !== 'disks' || machines.length > 0);
    this.#roots = empty ? [] : shown.map((host) => this.#host(host, before));
    const nodes = changed?.map((machine) => this.#nodes.get(MachineNode.idOf(machine)));
    this.#change.fire(nodes?.every((node) => node !== undefined) ? nodes : undefined);
  }

  #machineNodes(): MachineNode[] {
    return [...this.#nodes.values()].filter((node) => node instanceof MachineNode);
  }

  #host(host: HostInfo, before: Map<string, TreeNode>): HostNode {
    const node = this.#keep(before, HostNode, HostNode.idOf(host), () => new HostNode(host));
    node.host = host;
    node.adopt([
      ...(host.problem === undefined ? [] : [this.#problem(node.id, host.problem, before)]),
      ...host.machines.map((machine) => this.#machine(machine, before)),
    ]);
    return node;
  }

  #machine(machine: MachineInfo, before: Map<string, TreeNode>): MachineNode {
    const node = this.#keep(before, MachineNode, MachineNode.idOf(machine), () => new MachineNode(machine));
    node.machine = machine;
    const tree = checkpointTree(machine);
    const damage = machine.state === 'damaged' ? machine.problem : undefined;
    node.adopt([
      ...(damage === undefined ? [] : [this.#problem(node.id, damage, before)]),
      ...tree.roots.map((branch) => this.#branch(machine, branch, before)),
      ...(tree.holdsNow ? [this.#now(machine, before)] : []),
    ]);
    return node;
  }

  #branch(machine: MachineInfo, branch: CheckpointBranch, before: Map<string, TreeNode>): CheckpointNode {
    const { checkpoint } = branch;
    const id = CheckpointNode.idOf(machine, checkpoint);
    const node = this.#keep(before, CheckpointNode, id, () => new CheckpointNode(machine, checkpoint));
    node.machine = machine;
    node.checkpoint = checkpoint;
    node.adopt([
      ...branch.branches.map((child) => this.#branch(machine, child, before)),
      ...(branch.holdsNow ? [this.#now(machine, before)] : []),
    ]);
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
