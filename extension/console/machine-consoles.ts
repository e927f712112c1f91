/** Consoles: a terminal for each machine, attached to its serial port by the engine's program. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { EngineProgram } from '../engine/environment.ts';

export class MachineConsoles implements vscode.Disposable {
  readonly #program: () => EngineProgram;
  /** By machine id. */
  readonly #terminals = new Map<string, vscode.Terminal>();
  readonly #listener: vscode.Disposable;

  constructor(program: () => EngineProgram) {
    this.#program = program;
    this.#listener = vscode.window.onDidCloseTerminal((closed) => {
      for (const [id, terminal] of this.#terminals) {
        if (terminal === closed) {
          this.#terminals.delete(id);
        }
      }
    });
  }

  /** Shows the machine's console; a new one when there is none yet, or when the old one has ended. */
  show(machine: MachineInfo): vscode.Terminal {
    let terminal = this.#terminals.get(machine.id);
    if (terminal?.exitStatus !== undefined) {
      terminal.dispose();
      terminal = undefined;
    }
    terminal ??= this.#open(machine);
    this.#terminals.set(machine.id, terminal);
    terminal.show();
    return terminal;
  }

  dispose(): void {
    this.#listener.dispose();
    for (const terminal of this.#terminals.values()) {
      terminal.dispose();
    }
  }

  #open(machine: MachineInfo): vscode.Terminal {
    const { node, script, environment } = this.#program();
    return vscode.window.createTerminal({
      name: vscode.l10n.t('{0} console', machine.name),
      shellPath: node,
      shellArgs: [script, 'console', machine.name],
      env: environment,
      iconPath: new vscode.ThemeIcon('vm'),
      location: vscode.TerminalLocation.Editor,
      // Its connection does not outlive a reload; one click opens it again.
      isTransient: true,
    });
  }
}
