import * as vscode from 'vscode';
import type { Remedy } from '../../engine/protocol/doctor.ts';

/** What can be done about a finding, by the buttons of the editor. */
export function remedyText(remedy: Remedy): string {
  switch (remedy.does) {
    case 'repair':
      return repairText(remedy.effect);
    case 'lookDeep':
      return vscode.l10n.t('“Check for Problems…”, “Thorough”, sees whether its content is the same.');
    case 'acceptChanged':
      return vscode.l10n.t('If you know that its content is right, “Accept Changes…” takes it as it is.');
    case 'newId':
      return vscode.l10n.t('Check “{0}” by itself, and “Repair…” gives it one.', remedy.machine);
    case 'newPolicy':
      return vscode.l10n.t('“Retention Policy…” puts a new one in its place.');
    case 'resumeJob':
      return vscode.l10n.t('“Resume Interrupted Job” lets it go on, “Undo Interrupted Job…” takes it back.');
    case 'checkDisk':
      return vscode.l10n.t('What can be mended inside of the image, a check of the disk tells.');
  }
}

function repairText(effect: Extract<Remedy, { does: 'repair' }>['effect']): string {
  switch (effect) {
    case 'readOnly':
      return vscode.l10n.t('“Repair…” makes it read-only again.');
    case 'accepted':
      return vscode.l10n.t('“Repair…” accepts it.');
    case 'removed':
      return vscode.l10n.t('“Repair…” removes it.');
    case 'lostAndFound':
      return vscode.l10n.t('“Repair…” moves it to lost+found.');
    case 'recorded':
      return vscode.l10n.t(
        '“Repair…” moves a copy of it to lost+found, and puts on record what the layers look like now.',
      );
    case 'reserved':
      return vscode.l10n.t('“Repair…” sets some aside.');
    case 'ended':
      return vscode.l10n.t('“Repair…” ends it.');
    case 'rescued':
      return vscode.l10n.t('“Repair…” makes the layer that it was a checkpoint again, by what is still known of it.');
  }
}
