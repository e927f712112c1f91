import type { Finding, Remedy } from '../protocol/doctor.ts';

/** What was found, and how `ckpt` is told to do something about it. */
export function findingText({ message, remedies = [] }: Finding): string {
  return [message, ...remedies.map(remedyText)].join(' ');
}

function remedyText(remedy: Remedy): string {
  switch (remedy.does) {
    case 'repair':
      return `With --repair ${repairText(remedy.effect)}.`;
    case 'lookDeep':
      return `See whether its content is the same: ckpt doctor ${remedy.machine} --deep.`;
    case 'acceptChanged':
      return `If you know that its content is right, accept it: ckpt doctor ${remedy.machine} --accept-changed.`;
    case 'newId':
      return `That does: ckpt doctor ${remedy.machine} --repair.`;
    case 'newPolicy':
      return `A new policy takes its place: ckpt policy ${remedy.machine}.`;
    case 'resumeJob':
      return `Let it go on (ckpt jobs resume ${remedy.job}), or undo it (ckpt jobs cancel ${remedy.job}).`;
    case 'checkDisk':
      return `See what can be mended: ckpt disk check --repair ${remedy.path}.`;
  }
}

function repairText(effect: Extract<Remedy, { does: 'repair' }>['effect']): string {
  switch (effect) {
    case 'readOnly':
      return 'it is made read-only again';
    case 'accepted':
      return 'it is accepted';
    case 'removed':
      return 'it goes';
    case 'lostAndFound':
      return 'it is moved to lost+found';
    case 'recorded':
      return 'a copy of it goes to lost+found, and what the layers look like now, as far as their chains verify, is put on record';
    case 'reserved':
      return 'it is';
    case 'ended':
      return 'that is done';
    case 'rescued':
      return 'the layer that it was is made a checkpoint again, by what is still known of it';
  }
}
