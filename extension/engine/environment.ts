/** How to run the engine's one program: with VS Code's own Node, so that users need none. */
import * as vscode from 'vscode';
import { readPath, readSwitch, readText } from '../settings.ts';

export interface EngineProgram {
  /** The program that runs scripts: VS Code's executable, or the Node of a VS Code server. */
  node: string;
  /** Path of `dist/engine.js`. */
  script: string;
  /** Variables to add to the environment; none of them holds a secret. */
  environment: Record<string, string>;
}

/** Settings that the engine reads when it starts, so that a change needs a restart. */
export const engineSettings = [
  'vmCheckpoints.home',
  'vmCheckpoints.qemu.path',
  'vmCheckpoints.mergeSpeed',
  'vmCheckpoints.packMemory',
  'vmCheckpoints.pauseWhenFull',
] as const;

export function engineProgram(extensionUri: vscode.Uri): EngineProgram {
  return {
    node: process.execPath,
    script: vscode.Uri.joinPath(extensionUri, 'dist', 'engine.js').fsPath,
    environment: {
      // On a desktop the executable is Electron, which is Node only when told so; a server's Node ignores it.
      ELECTRON_RUN_AS_NODE: '1',
      ...(readSwitch('vmCheckpoints.pauseWhenFull') ? { VM_CHECKPOINTS_PAUSE_WHEN_FULL: '1' } : {}),
      ...(readSwitch('vmCheckpoints.packMemory') ? {} : { VM_CHECKPOINTS_PACK_MEMORY: 'off' }),
      ...chosenMergeSpeed(),
      ...chosenPaths(),
    },
  };
}

function chosenMergeSpeed(): Record<string, string> {
  const speed = readText('vmCheckpoints.mergeSpeed');
  return speed === '' ? {} : { VM_CHECKPOINTS_MERGE_SPEED: speed };
}

/** What the settings say about where things are, in the variables that the engine reads. */
export function chosenPaths(): Record<string, string> {
  const home = readPath('vmCheckpoints.home');
  const qemu = readPath('vmCheckpoints.qemu.path');
  return {
    ...(home === undefined ? {} : { VM_CHECKPOINTS_HOME: home }),
    ...(qemu === undefined ? {} : { VM_CHECKPOINTS_QEMU: qemu }),
  };
}
