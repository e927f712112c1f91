/** Runs one operation of the engine for the user: progress while it runs, then its follow-up, or its error with ways out. */
import * as vscode from 'vscode';
import type { OperationName, Params, Result } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import type { CommandId } from '../contributions/commands.ts';
import type { EngineError } from '../engine/engine-error.ts';
import { engineErrorFrom } from '../engine/engine-error.ts';
import { withProgress } from '../progress.ts';
import type { WayOut } from './ways-out.ts';
import { isSilent, waysOut } from './ways-out.ts';

export interface Operation<K extends OperationName> {
  name: K;
  params: Params<K>;
  /** What is being done, such as `Reverting “playground”…`. */
  title: string;
  /** After success; not awaited notifications only, so that a command ends when its work does. */
  done?: (result: Result<K>) => void;
  /** Puts the sentence of a failure into its context. */
  explain?: (sentence: string) => string;
  /** Ways out that only this operation has, beside those that every operation has. */
  waysOut?: Partial<Record<WayOut, () => unknown>>;
}

/** Resolves when the operation has ended: to its result, or to nothing when it failed and the user was told. */
export async function perform<K extends OperationName>(
  context: CheckpointsContext,
  operation: Operation<K>,
): Promise<Result<K> | undefined> {
  try {
    const result = await withProgress(operation.title, ({ token, report }) =>
      context.engine.request(operation.name, operation.params, {
        token,
        activity: operation.title,
        onProgress: report,
      }),
    );
    if ('machine' in result && typeof result.machine !== 'string') {
      context.machines.put(result.machine);
    }
    operation.done?.(result);
    return result;
  } catch (error) {
    const engineError = engineErrorFrom(error);
    context.log.warn(`${operation.name} failed with ${engineError.code}: ${engineError.said}`);
    tellFailure(
      context,
      engineError,
      { ...ofMachine(operation.params), retry: () => perform(context, operation), ...operation.waysOut },
      operation.explain,
    );
    return undefined;
  }
}

/** Shows an error's sentence with those of its ways out that can be taken. Does not wait for the user. */
export function tellFailure(
  context: CheckpointsContext,
  error: EngineError,
  ofOperation: Partial<Record<WayOut, () => unknown>> = {},
  explain: (sentence: string) => string = (sentence) => sentence,
): void {
  if (error.code === 'Internal') {
    context.log.error(error.cause instanceof Error ? error.cause : error);
  }
  if (error.code === 'Cancelled') {
    vscode.window.setStatusBarMessage(error.message, 5000);
  }
  if (isSilent(error.code)) {
    return;
  }
  const offered: Partial<Record<WayOut, () => unknown>> = { ...ofEveryOperation(context), ...ofOperation };
  const choices = waysOut(error.code).flatMap((way) => {
    const take = offered[way];
    return take === undefined ? [] : [{ title: wayOutText(way), take }];
  });
  void vscode.window.showErrorMessage(explain(error.message), ...choices).then((choice) => choice?.take());
}

function ofEveryOperation(context: CheckpointsContext): Partial<Record<WayOut, () => unknown>> {
  const run = (command: CommandId) => () => vscode.commands.executeCommand(command);
  return {
    showLog: () => context.log.show(),
    refresh: run('vmCheckpoints.refresh'),
    restartEngine: run('vmCheckpoints.restartEngine'),
    qemuSettings: () => vscode.commands.executeCommand('workbench.action.openSettings', 'vmCheckpoints.qemu.path'),
  };
}

/** Ways out that act on the machine of the failed operation; each asks again where it should. */
function ofMachine(params: object): Partial<Record<WayOut, () => unknown>> {
  if (!('machine' in params) || typeof params.machine !== 'string') {
    return {};
  }
  const { machine } = params;
  const run = (command: CommandId) => () => vscode.commands.executeCommand(command, { machine });
  return {
    start: run('vmCheckpoints.start'),
    resume: run('vmCheckpoints.resume'),
    shutDown: run('vmCheckpoints.stop'),
    forceOff: run('vmCheckpoints.forceStop'),
  };
}

function wayOutText(way: WayOut): string {
  switch (way) {
    case 'retry':
      return vscode.l10n.t('Retry');
    case 'start':
      return vscode.l10n.t('Start Machine');
    case 'resume':
      return vscode.l10n.t('Resume Machine');
    case 'shutDown':
      return vscode.l10n.t('Shut Down');
    case 'forceOff':
      return vscode.l10n.t('Force Off');
    case 'disksOnly':
      return vscode.l10n.t('Apply Disks Only');
    case 'discardState':
      return vscode.l10n.t('Discard Saved State…');
    case 'rawDisk':
      return vscode.l10n.t('Use as Raw Disk');
    case 'refresh':
      return vscode.l10n.t('Refresh');
    case 'qemuSettings':
      return vscode.l10n.t('Open Settings');
    case 'restartEngine':
      return vscode.l10n.t('Restart Engine');
    case 'showLog':
      return vscode.l10n.t('Show Log');
  }
}
