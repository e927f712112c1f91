/**
 * Hooks of debug sessions: one that a hook fits starts only when its checkpoint was taken. The debug configuration is held
 * back while it is being resolved, its variables substituted already. VS Code has run its `preLaunchTask` by then: what that
 * does to the machine is in the checkpoint.
 */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../context.ts';
import { checkpointNameFrom } from '../naming/names.ts';
import { hookOfDebug } from './hook.ts';
import { hooksHere } from './hook-settings.ts';
import { takeBefore } from './take-before.ts';

export function registerDebugHooks(context: CheckpointsContext): vscode.Disposable {
  return vscode.debug.registerDebugConfigurationProvider('*', {
    async resolveDebugConfigurationWithSubstitutedVariables(_folder, configuration) {
      const hook = hookOfDebug(hooksHere(context.log), configuration.type);
      // The debugger for JavaScript starts a further session for each process of one that began with its checkpoint.
      if (hook === undefined || '__pendingTargetId' in configuration) {
        return configuration;
      }
      const taken = await takeBefore(context, hook, {
        defaultName: checkpointNameFrom(vscode.l10n.t('before debugging {0}', configuration.name)),
        createdBy: 'debug',
        title: vscode.l10n.t('Taking a checkpoint of “{0}” before debugging…', hook.machine),
        explain: (sentence) =>
          vscode.l10n.t('“{0}” is not debugged, because no checkpoint was taken. {1}', configuration.name, sentence),
      });
      // Undefined ends the start of the session; the reason was told.
      return taken === undefined ? undefined : configuration;
    },
  });
}
