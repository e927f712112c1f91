import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { Engine } from '../engine/engine.ts';
import type { JobList } from '../machines/job-list.ts';
import type { MachineList } from '../machines/machine-list.ts';
import { detailsModel } from './details-model.ts';
import { parseFromPage, type FromPage, type ToPage } from './messages.ts';
import { measure, type Measured } from './measure.ts';
import { pageFolder, pageHtml } from './page-html.ts';
import { nowId } from './page-model.ts';
import { saveNotes } from './save-notes.ts';

/** Ages grow old while they are looked at. */
const redrawMs = 60_000;

/** What details are made of. */
export interface DetailsSources {
  extensionUri: vscode.Uri;
  engine: Engine;
  machines: MachineList;
  jobs: JobList;
  log: vscode.LogOutputChannel;
}

/** The tab of one machine: tells its page what to show, and does what the page asks for. */
export class DetailsPanel implements vscode.Disposable {
  readonly #sources: DetailsSources;
  readonly #panel: vscode.WebviewPanel;
  readonly #machineId: string;
  readonly #listeners: vscode.Disposable;
  readonly #redraw: NodeJS.Timeout;
  /** To be selected as soon as the page is there. */
  #point: string | undefined;
  #isReady = false;
  /** What the page was told last, as JSON. */
  #told: string | undefined;
  #measured: Measured | undefined;
  /** The machine as it was measured. */
  #asMeasured: MachineInfo | undefined;
  #isMeasuring = false;
  readonly #consoles = new Map<string, string>();
  /** Checkpoints that were looked at, and whose console could not be told. */
  readonly #missed = new Set<string>();

  constructor(sources: DetailsSources, panel: vscode.WebviewPanel, machineId: string, point: string | undefined) {
    const { machines, jobs, engine, extensionUri } = sources;
    this.#sources = sources;
    this.#panel = panel;
    this.#machineId = machineId;
    this.#point = point;
    this.#listeners = vscode.Disposable.from(
      panel.webview.onDidReceiveMessage((message: unknown) => this.#receive(message)),
      machines.onDidChange((change) => {
        if (change.machines === undefined || change.machines.some(({ id }) => id === machineId)) {
          this.#tell();
          this.#lookAgain();
        }
      }),
      jobs.onDidChange(({ progressed }) => {
        if (progressed === undefined || progressed.some((job) => job.machine?.id === machineId)) {
          this.#asMeasured = undefined;
          this.#tell();
        }
      }),
      engine.onDidChangeState(() => {
        this.#tell();
        this.#lookAgain();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#tell()),
      // A page that is hidden is thrown away, and says that it is ready when it is there again.
      panel.onDidChangeViewState(() => (this.#isReady &&= panel.visible)),
    );
    this.#redraw = setInterval(() => this.#tell(), redrawMs);
    panel.webview.options = { enableScripts: true, localResourceRoots: [pageFolder(extensionUri)] };
    panel.webview.html = pageHtml(panel.webview, extensionUri);
  }

  reveal(point: string | undefined): void {
    this.#panel.reveal();
    this.#point = point;
    this.#select();
  }

  dispose(): void {
    clearInterval(this.#redraw);
    this.#listeners.dispose();
  }

  #receive(data: unknown): void {
    const message = parseFromPage(data);
    switch (message?.kind) {
      case 'ready':
        this.#isReady = true;
        this.#told = undefined;
        this.#tell();
        this.#select();
        break;
      case 'look':
        void this.#look(message.point);
        break;
      case 'run':
        this.#run(message);
        break;
      case 'saveNotes':
        void saveNotes(this.#sources, this.#machineId, message).then((answer) => this.#post(answer));
        break;
      case undefined:
        this.#sources.log.warn('A page of details sent what is no message');
    }
  }

  /** As if it had been chosen from a context menu: it asks what it asks there. */
  #run({ command, point }: FromPage & { kind: 'run' }): void {
    const target = { machine: this.#machineId, ...(point === nowId ? {} : { checkpoint: point }) };
    void vscode.commands.executeCommand(`vmCheckpoints.${command}`, target);
  }

  #select(): void {
    if (this.#isReady && this.#point !== undefined) {
      this.#post({ kind: 'select', point: this.#point });
      this.#point = undefined;
    }
  }

  #tell(): void {
    const { machines, engine } = this.#sources;
    const machine = machines.find(this.#machineId);
    if (machine !== undefined) {
      this.#panel.title = vscode.l10n.t('{0}: Details', machine.name);
    }
    if (!this.#isReady) {
      return;
    }
    const model = detailsModel({
      machine,
      isListed: machines.hosts !== undefined,
      engine: engine.state,
      isTrusted: vscode.workspace.isTrusted,
      ...(this.#measured === undefined ? {} : { measured: this.#measured }),
      consoles: this.#consoles,
    });
    const json = JSON.stringify(model);
    if (json !== this.#told) {
      this.#told = json;
      this.#post({ kind: 'model', machine: this.#machineId, model });
    }
    if (machine !== undefined && machine !== this.#asMeasured) {
      void this.#measure(machine);
    }
  }

  /** Never rejects. */
  async #measure(machine: MachineInfo): Promise<void> {
    if (this.#isMeasuring) {
      return;
    }
    this.#isMeasuring = true;
    this.#asMeasured = machine;
    this.#measured = await measure(this.#sources.engine, machine.id);
    this.#isMeasuring = false;
    // It may have changed meanwhile, and is measured again then.
    this.#tell();
  }

  /** What a checkpoint's console showed never changes. Never rejects. */
  async #look(checkpoint: string): Promise<void> {
    const { engine, log } = this.#sources;
    this.#missed.delete(checkpoint);
    try {
      const shown = await engine.request('show', { machine: this.#machineId, checkpoint });
      this.#consoles.set(checkpoint, shown.console?.trimEnd() ?? '');
    } catch (error) {
      log.warn('What was on a console could not be told', error);
      this.#missed.add(checkpoint);
    }
    this.#tell();
  }

  /** What was in the way, such as an engine that ended, may be so no more. */
  #lookAgain(): void {
    const { kind } = this.#sources.engine.state;
    if (kind === 'ready' || kind === 'working') {
      [...this.#missed].forEach((checkpoint) => void this.#look(checkpoint));
    }
  }

  #post(message: ToPage): void {
    void this.#panel.webview.postMessage(message);
  }
}
