/**
 * Details of machines, each in an editor tab: the tree of its checkpoints as a picture, and what is known of the one that is
 * selected. There is one tab for a machine, and it comes back with its window.
 */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { detailsViewType } from '../contributions/views.ts';
import type { DetailsPanel, DetailsSources } from './details-panel.ts';

export class DetailsPanels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  readonly #sources: DetailsSources;
  readonly #panels = new Map<string, DetailsPanel>();
  readonly #registration = vscode.window.registerWebviewPanelSerializer(detailsViewType, this);

  constructor(sources: DetailsSources) {
    this.#sources = sources;
  }

  /** @param point a checkpoint's id, or Now's, that is to be selected */
  async open({ id, name }: MachineInfo, point: string | undefined): Promise<void> {
    const known = this.#panels.get(id);
    if (known === undefined) {
      await this.#attach(vscode.window.createWebviewPanel(detailsViewType, name, vscode.ViewColumn.Active), id, point);
    } else {
      known.reveal(point);
    }
  }

  /** Of an earlier window: what its page had kept says which machine it was of. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const { machineOfState } = await import('./messages.ts');
    const machine = machineOfState(state);
    if (machine === undefined || this.#panels.has(machine)) {
      panel.dispose();
    } else {
      await this.#attach(panel, machine, undefined);
    }
  }

  dispose(): void {
    this.#registration.dispose();
    // A tab that is open stays, for the next window.
    this.#panels.forEach((panel) => panel.dispose());
  }

  async #attach(panel: vscode.WebviewPanel, machine: string, point: string | undefined): Promise<void> {
    // What checks messages is not loaded before there is a page that sends some.
    const { DetailsPanel } = await import('./details-panel.ts');
    const details = new DetailsPanel(this.#sources, panel, machine, point);
    this.#panels.set(machine, details);
    panel.onDidDispose(() => {
      details.dispose();
      this.#panels.delete(machine);
    });
  }
}
