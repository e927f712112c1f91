/** What the user chose to see of the machines, kept in the workspace from one window to the next. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { filteredKey } from '../contributions/views.ts';
import { arranged, isFiltering, readFilter, readOrder, type MachineFilter, type MachineOrder } from './arrangement.ts';

const filterKey = 'machineFilter';
const orderKey = 'machineOrder';

export class ShownMachines implements vscode.Disposable {
  readonly #memory: vscode.Memento;
  readonly #change = new vscode.EventEmitter<void>();
  #filter: MachineFilter;
  #order: MachineOrder;

  readonly onDidChange = this.#change.event;

  constructor(memory: vscode.Memento) {
    this.#memory = memory;
    this.#filter = readFilter(memory.get(filterKey));
    this.#order = readOrder(memory.get(orderKey));
    this.#tellMenus();
  }

  get filter(): MachineFilter {
    return this.#filter;
  }

  get order(): MachineOrder {
    return this.#order;
  }

  of(machines: readonly MachineInfo[]): MachineInfo[] {
    return arranged(machines, { filter: this.#filter, order: this.#order });
  }

  async setFilter(filter: MachineFilter): Promise<void> {
    this.#filter = filter;
    this.#tellMenus();
    this.#change.fire();
    await this.#memory.update(filterKey, filter);
  }

  async setOrder(order: MachineOrder): Promise<void> {
    this.#order = order;
    this.#change.fire();
    await this.#memory.update(orderKey, order);
  }

  dispose(): void {
    this.#change.dispose();
  }

  #tellMenus(): void {
    void vscode.commands.executeCommand('setContext', filteredKey, isFiltering(this.#filter));
  }
}
