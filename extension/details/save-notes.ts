import * as vscode from 'vscode';
import type { Engine } from '../engine/engine.ts';
import { engineErrorFrom } from '../engine/engine-error.ts';
import type { MachineList } from '../machines/machine-list.ts';
import type { FromPage, NotesAnswer } from './messages.ts';

/**
 * Saves notes that were written on the page, unless they became others since they were begun. Never rejects: the answer says
 * what happened.
 */
export async function saveNotes(
  { engine, machines }: { engine: Engine; machines: MachineList },
  machine: string,
  { checkpoint, notes, before }: FromPage & { kind: 'saveNotes' },
): Promise<NotesAnswer> {
  const answer = (outcome: NotesAnswer['outcome'], text: string, theirs?: string): NotesAnswer => ({
    kind: 'notes',
    checkpoint,
    outcome,
    text,
    ...(theirs === undefined ? {} : { theirs }),
  });
  if (!vscode.workspace.isTrusted) {
    return answer('failed', vscode.l10n.t('This workspace is not trusted: nothing is started or changed until it is.'));
  }
  try {
    const present = await engine.request('show', { machine });
    const found = present.machine.checkpoints.find(({ id }) => id === checkpoint);
    const theirs = found?.notes ?? '';
    if (theirs !== before && theirs !== notes) {
      machines.put(present.machine);
      return answer(
        'changed',
        vscode.l10n.t(
          'Not saved: somebody else changed these notes meanwhile. Save again to replace what is there now:',
        ),
        theirs,
      );
    }
    const changed = await engine.request(
      'annotate',
      { machine, checkpoint, notes: notes.trim() },
      { activity: vscode.l10n.t('Annotating checkpoint “{0}”…', found?.name ?? checkpoint) },
    );
    machines.put(changed.machine);
    return answer('saved', vscode.l10n.t('Saved.'));
  } catch (error) {
    return answer('failed', engineErrorFrom(error).message);
  }
}
