/** What checks for problems found last in this window, so that the tree can mark it. */
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { Finding } from '../../engine/protocol/doctor.ts';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import type { Engine } from '../engine/engine.ts';
import type { MachineList } from './machine-list.ts';
import { openFaults } from './marks.ts';

/** What changes a machine is told of in the middle of it, and leaves half a record lying about for that long. */
const restMs = 500;

interface Found {
  findings: readonly Finding[];
  isThorough: boolean;
}

export class Faults implements vscode.Disposable {
  readonly #engine: Engine;
  readonly #machines: MachineList;
  readonly #log: vscode.LogOutputChannel;
  readonly #change = new vscode.EventEmitter<void>();
  readonly #listener: vscode.Disposable;
  /** By the machine's name, which is what a check tells. */
  readonly #found = new Map<string, Found>();
  /** Machines that are being checked, and whether they have changed meanwhile. */
  readonly #looking = new Map<string, boolean>();

  readonly onDidChange = this.#change.event;

  constructor(engine: Engine, machines: MachineList, log: vscode.LogOutputChannel) {
    this.#engine = engine;
    this.#machines = machines;
    this.#log = log;
    this.#listener = machines.onDidChange((change) => this.#lookAgain(change.machines));
  }

  /** Without those that are repaired. */
  of({ name }: MachineInfo): readonly Finding[] {
    return this.#found.get(name)?.findings ?? [];
  }

  take({ machines }: Pick<Result<'doctor'>, 'machines'>, isThorough: boolean): void {
    for (const { machine, findings } of machines) {
      const open = openFaults(findings);
      if (open.length === 0) {
        this.#found.delete(machine);
      } else {
        this.#found.set(machine, { findings: open, isThorough });
      }
    }
    this.#change.fire();
  }

  dispose(): void {
    this.#listener.dispose();
    this.#change.dispose();
  }

  /** What a quick look found, a quick look can find gone; a thorough one takes too long to be had unasked. */
  #lookAgain(changed: readonly MachineInfo[] | undefined): void {
    const names = new Set((changed ?? this.#machines.machines).map(({ name }) => name));
    for (const [name, { isThorough }] of this.#found) {
      if (names.has(name) && !isThorough) {
        void this.#look(name);
      } else if (changed === undefined && !names.has(name)) {
        this.#found.delete(name);
      }
    }
  }

  /** Never rejects. */
  async #look(machine: string): Promise<void> {
    if (this.#looking.has(machine)) {
      this.#looking.set(machine, true);
      return;
    }
    try {
      do {
        this.#looking.set(machine, false);
        await delay(restMs);
        this.take(await this.#engine.request('doctor', { machine }), false);
      } while (this.#looking.get(machine) === true);
    } catch (error) {
      this.#log.warn(`${machine} could not be checked again`, error);
    } finally {
      this.#looking.delete(machine);
    }
  }
}
