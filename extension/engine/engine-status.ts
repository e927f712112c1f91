/** The engine's state in the status bar; a click opens a menu of what can be done about it. */
import * as vscode from 'vscode';
import type { CommandId } from '../contributions/commands.ts';
import { commandCategory } from '../contributions/commands.ts';
import type { Engine, EngineState } from './engine.ts';

export class EngineStatus implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem('vmCheckpoints.engine', vscode.StatusBarAlignment.Left);
  readonly #listener: vscode.Disposable;

  constructor(engine: Engine) {
    this.#item.name = commandCategory;
    const command: CommandId = 'vmCheckpoints.showEngineMenu';
    this.#item.command = command;
    this.#show(engine.state);
    this.#listener = engine.onDidChangeState((state) => this.#show(state));
    this.#item.show();
  }

  dispose(): void {
    this.#listener.dispose();
    this.#item.dispose();
  }

  #show(state: EngineState): void {
    const { icon, text } = face(state);
    this.#item.text = `$(${icon}) ${text}`;
    this.#item.tooltip = tooltip(state);
    this.#item.backgroundColor =
      state.kind === 'failed' ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    this.#item.accessibilityInformation = {
      label: vscode.l10n.t('VM Checkpoints engine: {0}', stateText(state)),
      role: 'button',
    };
  }
}

/** One word or activity, as the status bar's tooltip and the engine menu show it. */
export function stateText(state: EngineState): string {
  switch (state.kind) {
    case 'stopped':
      return vscode.l10n.t('stopped');
    case 'starting':
      return vscode.l10n.t('starting');
    case 'ready':
      return vscode.l10n.t('ready');
    case 'working':
      return vscode.l10n.t('working: {0}', state.activity);
    case 'failed':
      return vscode.l10n.t('failed');
  }
}

function face(state: EngineState): { icon: string; text: string } {
  switch (state.kind) {
    case 'stopped':
      return { icon: 'circle-slash', text: commandCategory };
    case 'starting':
      return { icon: 'loading~spin', text: commandCategory };
    case 'ready':
      return { icon: 'vm', text: commandCategory };
    case 'working':
      return { icon: 'sync~spin', text: state.activity };
    case 'failed':
      return { icon: 'error', text: commandCategory };
  }
}

function tooltip(state: EngineState): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  text.appendMarkdown(`**${commandCategory}**\n\n`);
  text.appendText(vscode.l10n.t('Engine: {0}', stateText(state)));
  if (state.kind === 'failed') {
    text.appendMarkdown('\n\n').appendText(state.reason);
  }
  if (state.kind === 'ready' || state.kind === 'working') {
    const { version, pid, home, logFile } = state.info;
    for (const [label, value] of [
      [vscode.l10n.t('Version'), version],
      [vscode.l10n.t('Process'), String(pid)],
      [vscode.l10n.t('Home'), home],
      [vscode.l10n.t('Log file'), logFile],
    ] as const) {
      text.appendMarkdown('\n\n').appendText(`${label}: ${value}`);
    }
  }
  return text;
}
