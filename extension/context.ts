/** What every feature works with. Made once, when the extension activates; it owns the engine. */
import * as vscode from 'vscode';
import { commandCategory } from './contributions/commands.ts';
import { MachineConsoles } from './console/machine-consoles.ts';
import { DetailsPanels } from './details/details-panels.ts';
import { Engine } from './engine/engine.ts';
import { engineProgram } from './engine/environment.ts';
import { CheckpointDetails } from './machines/checkpoint-details.ts';
import { Faults } from './machines/faults.ts';
import { JobList } from './machines/job-list.ts';
import { MachineList } from './machines/machine-list.ts';
import { ShownMachines } from './machines/shown-machines.ts';
import { TrashSizes } from './machines/trash-sizes.ts';
import { Reports } from './report/reports.ts';
import { CheckedCheckpoints } from './tree/checked-checkpoints.ts';
import { MachineView } from './tree/machine-view.ts';
import { OpenedRows } from './tree/opened-rows.ts';

export class CheckpointsContext implements vscode.Disposable {
  readonly log: vscode.LogOutputChannel;
  readonly engine: Engine;
  readonly machines: MachineList;
  readonly jobs: JobList;
  readonly faults: Faults;
  /** Which machines the view shows, and in which order. */
  readonly shown: ShownMachines;
  readonly view: MachineView;
  readonly #trashSizes: TrashSizes;
  readonly #checked = new CheckedCheckpoints();
  readonly consoles: MachineConsoles;
  readonly details: DetailsPanels;
  readonly reports = new Reports();
  /** Remembers choices in this workspace. */
  readonly workspaceState: vscode.Memento;

  constructor({ extensionUri, workspaceState }: vscode.ExtensionContext) {
    const program = () => engineProgram(extensionUri);
    this.log = vscode.window.createOutputChannel(commandCategory, { log: true });
    this.engine = new Engine(program, this.log);
    this.machines = new MachineList(this.engine, this.log);
    this.jobs = new JobList(this.engine, this.machines, this.log);
    this.faults = new Faults(this.engine, this.machines, this.log);
    this.#trashSizes = new TrashSizes(this.engine, this.log);
    this.shown = new ShownMachines(workspaceState);
    this.view = new MachineView(this.engine, {
      machines: this.machines,
      shown: this.shown,
      jobs: this.jobs,
      sizes: this.#trashSizes,
      checked: this.#checked,
      faults: this.faults,
      details: new CheckpointDetails(this.engine, this.log),
      opened: new OpenedRows(workspaceState),
    });
    this.consoles = new MachineConsoles(program);
    this.details = new DetailsPanels({
      extensionUri,
      engine: this.engine,
      machines: this.machines,
      jobs: this.jobs,
      log: this.log,
    });
    this.workspaceState = workspaceState;
  }

  /** Ends the engine's process; machines keep running, because each is a process of its own. */
  async stop(): Promise<void> {
    await this.engine.stop();
  }

  dispose(): void {
    vscode.Disposable.from(
      this.reports,
      this.details,
      this.consoles,
      this.view,
      this.shown,
      this.#checked,
      this.#trashSizes,
      this.faults,
      this.jobs,
      this.machines,
      this.engine,
      this.log,
    ).dispose();
  }
}
