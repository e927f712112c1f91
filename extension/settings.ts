/** Reading the settings that contributions/settings.ts declares. */
import { homedir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { CheckpointKind } from '../engine/protocol/machines.ts';
import type { OnFail } from './hooks/hook.ts';
import type { SettingOfType } from './contributions/settings.ts';
import { settings } from './contributions/settings.ts';

/** A setting that is on or off. */
export function readSwitch(id: SettingOfType<'boolean'>): boolean {
  const value = read(id);
  return typeof value === 'boolean' ? value : settings[id].default;
}

/** What to do when a task fails that a checkpoint was taken before. */
export function readOnTaskFailure(): OnFail {
  const value = read('vmCheckpoints.onTaskFailure');
  return settings['vmCheckpoints.onTaskFailure'].enum.find((one) => one === value) ?? 'ask';
}

/** What to take of a running machine; a value that there is not counts as the default. */
export function readCheckpointKind(): CheckpointKind {
  const value = read('vmCheckpoints.checkpointKind');
  return settings['vmCheckpoints.checkpointKind'].enum.find((kind) => kind === value) ?? 'standard';
}

/** A setting that holds a text, without spaces around it. */
export function readText(id: SettingOfType<'string'>): string {
  const value = read(id);
  return typeof value === 'string' ? value.trim() : settings[id].default;
}

/** A setting that holds a path; a leading `~` is the user's home folder. Undefined when it is empty. */
export function readPath(id: SettingOfType<'string'>): string | undefined {
  const text = readText(id);
  if (text === '') {
    return undefined;
  }
  return text === '~' || /^~[/\\]/.test(text) ? path.join(homedir(), text.slice(1)) : text;
}

/** What the user wrote is of any type: VS Code warns of a wrong one, and passes it on. */
function read(id: string): unknown {
  return vscode.workspace.getConfiguration().get(id);
}
