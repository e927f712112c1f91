import type { WireError } from './errors.ts';

/**
 * What the engine tells beside its errors, sentence by sentence: the English of each code, with the names of its facts in
 * braces. A front end in another language words the code; one that does not know it shows the English text that comes along.
 */
export const sentences = {
  // What was done for a guest that goes on, or came back with its memory.
  clockRight: "The guest's clock is right, within {milliseconds} ms.",
  clockSet: "The guest's clock is set.",
  clockSetFrom: "The guest's clock is set; it was {offset}.",
  clockNotSet: "The guest's clock could not be set.",
  clockNotSetAt: "The guest's clock could not be set and is {offset}.",
  clockToBeSet: 'Set it in the guest.',
  secondsAhead: '{seconds} s ahead',
  secondsBehind: '{seconds} s behind',
  noAgent:
    'No agent answers in the guest, so its clock goes on from where it stood. Set it in the guest (Linux: hwclock --hctosys), or install the QEMU guest agent there.',
  guestIsPaused: 'The guest is paused; its clock is set when it is resumed.',
  newGeneration: 'The guest has a new generation id.',
  noGenerationDevice: 'The machine has no device that tells its guest of a new generation: it was made without.',
  networkRenewed: 'The guest has renewed its addresses.',
  networkNotRenewed: "The guest's addresses could not be renewed: {reason} Renew them in the guest.",
  consoleJoined: 'The console has joined again.',
  consoleNotJoined: 'The console that was open has not joined again. Open it once more.',

  // A volume that is going to be full.
  volumeLow: 'The volume of {volume} has {free} free.',
  volumeLowInMinutes: 'The volume of {volume} has {free} free, which last for about {minutes} min at this rate.',
  volumeLowAtOnce: 'The volume of {volume} has {free} free, which is gone within a minute.',
  machinesWillStand: 'Machines that write there stand still once it is full: {machines}.',
  freeOrPause: 'Free space, or pause them.',

  // What a look at the health of machines finds.
  layerWritable: 'The frozen layer {path} may be written to.',
  wouldCorrupt: 'One write would corrupt what stands on it: {points}.',
  layerTouched: 'The layer {path} was touched after it was frozen: {how}. All of its content is as it was.',
  layerWaits: 'Until that is accepted, nothing new is put on it. On it stand: {points}.',
  layerChanged: 'The layer {path} was changed after it was frozen: {how}.',
  mayBeCorrupted: 'What stands on it may be corrupted, and nothing new is put on it: {points}.',
  layerDamaged: 'The layer {path} is damaged: {fault}',
  onItStand: 'On it stand: {points}.',
  layerHidden: 'The layer {path} is hidden: no checkpoint names it, but others stand on it.',
  mergesAway: 'It merges away when at most one needs it.',
  neededBy: 'It is needed by {points} of “{machine}”.',
  diskTouched: 'The disk {path} was touched after it was added: {how}. All of its content is as it was.',
  doesNotRun: 'Until that is accepted, “{machine}” does not run.',
  diskChanged: 'The disk {path} was changed after it was added: {how}.',
  machineStandsOnIt: '“{machine}” stands on it: running on other content would corrupt it.',
  restoreThatFile: 'Restore that file from a backup.',
  memoryMissing: 'The saved memory {path} of “{checkpoint}” is missing.',
  memoryOfOtherSize: 'The saved memory {path} of “{checkpoint}” has {found} bytes and had {expected}.',
  memoryChanged: 'The saved memory {path} of “{checkpoint}” has changed since it was saved.',
  memoryUnreadable: 'The saved memory {path} of “{checkpoint}” cannot be read ({reason}).',
  processesAreLost: 'Applying it would not bring its processes back.',
  restoreOrDisksOnly: 'Restore that file from a backup, or apply the checkpoint with disks only.',
  notApplicable: '“{checkpoint}” cannot be applied: {reason}',
  nowNotStartable: 'Now cannot be started: {reason}',
  leftOfNew: '{path} is a machine that never came to be: its engine died.',
  leftOfRemoved: '{path} is what is left of a machine that was removed: its engine died.',
  goesOnListing: 'It takes space, and nothing else, and goes when somebody lists the machines.',
  halfRecord: '{path} is half a record, left by an engine that died.',
  goesOnChange: 'Nothing is lost: the record itself is as it was. It goes when somebody changes the machine.',
  jobInterrupted: 'The job {operation} was interrupted: its process is gone.',
  changeInterrupted: 'The {operation} of {started} was interrupted: the machine is between two states.',
  endedByNext: 'Whoever changes or lists it next ends that. What it needs was not looked at.',
  notEndable: 'What an interrupted operation left cannot be ended: {reason}',
  nothingChangeable: 'Until then nothing of the machine can be changed.',
  isShownDamaged: 'Until then the machine is shown as damaged, and nothing but looking at it works.',
  noRuleDeletes: 'Until then no rule deletes anything of the machine.',
  fileMissing: 'The file {path} is missing.',
  manifestMissing: 'The manifest {path} is missing: {child} hangs from it.',
  manifestOfOther: 'The manifest {path} is that of another checkpoint, {found}.',
  moveItOut: 'Move it out of the folder.',
  restoreIt: 'Restore it from a backup.',
  frozenRecordBroken: 'What is on record of frozen layers ({path}) cannot be believed: {why}.',
  wouldGoUnnoticed: 'Nobody would notice when one of them is changed from outside.',
  hasIdOf: 'Machine “{machine}” has the id of “{other}”: its folder was copied.',
  cannotBeToldApart: 'Jobs and clones cannot tell the two apart. Give the copy a new one, when it is stopped.',
  noReserve: 'No space is set aside for deleting something on a full volume.',
  nothingNames: 'Nothing names the file {path}.',
  takesSpace: 'It takes space, and nothing else.',
  mayBeYours:
    'It is named as a layer of this disk, but may be yours: it is never moved. Delete it if you do not know it.',
  orphansUncertain: 'With a broken chain it cannot be told which files nothing needs.',
  machineRuns: 'The machine runs, so what it writes to was not looked at.',
  stopAndLook: 'Stop it and look again.',
  changedWhileRead: 'Machine “{machine}” was changed while its content was read. Look again when nobody works on it.',

  // What became of it.
  leftIsGone: 'What an engine that died had left is gone: {path}.',
  halfRecordGone: 'Half a record is gone: {path}.',
  changeEnded: 'An interrupted operation was ended.',
  manifestRescued: 'The manifest {path} was missing. The layer that it was is a checkpoint again, as “{checkpoint}”.',
  notKnownAnyMore: 'Its name, its time and its memory are not known any more.',
  diskAccepted: 'The disk {path} had been changed, and is accepted as it is.',
  layerAccepted: 'The layer {path} had been changed, and is accepted as it is.',
  notAccepted: 'It could not be accepted: {reason}',
  notMended: 'It could not be mended: {reason}',
  layerReadOnly: 'The frozen layer {path} could be written, and is read-only again.',
  reserved: 'Space for deleting on a full volume is set aside again.',
  newIdGiven: 'Machine “{machine}” had the id of another one, and has a new one now.',
  recordedAgain: 'What frozen layers look like is on record again, as they are now.',
  orphanMoved: 'Nothing named the file {path}: it is now {target}.',
  orphanNotMoved: 'Nothing names the file {path}, and it could not be moved to {target}: {reason}',

  // Why a checkpoint is not of the kind that was asked for, and what else is to be known of it.
  noProduction: 'It is no production checkpoint: {reason}',
  noGuest: 'Machine “{machine}” is saved, so that no guest runs which could freeze its file systems.',
  startItFirst: 'Start it first.',
  onlyFileSystems:
    'It is consistent to the file systems only: {programs} failed in the guest, or cannot be shown to have succeeded.',
  olderStay: 'Older checkpoints of the same name are still there: {reason}',

  // What is wrong with a machine, and how its hypervisor ended.
  machineNotRunning: 'Machine “{machine}” is not running.',
  machineIsSaved: 'Machine “{machine}” is saved. Its next start resumes it.',
  notAnswering: 'QEMU does not answer. It may be busy; if it stays so, force the machine off (ckpt stop --force).',
  panicked:
    'The guest’s kernel panicked. Reset the machine (ckpt reset), or revert it to its last checkpoint (ckpt revert).',
  diskNotWritten:
    'A disk could not be written: the volume is full, or failed. Free some space, then resume the machine.',
  stoppedByError: 'QEMU has stopped the guest after an error of its own. Force the machine off and start it again.',
  guestCrashed: 'The guest crashed (kernel panic), and {qemu} ended.',
  qemuEnded: '{qemu} ended: {reason}.',
  qemuEndedSaying: '{qemu} ended: {words}',
  qemuEndedSayingBy: '{qemu} ended ({how}): {words}',
  computerRestarted: 'The computer was restarted, or lost its power, while the machine ran.',
  endedWithoutWord:
    '{qemu} ended without a word: it was killed, by somebody or by the system when memory ran short, or it crashed.',
  killedOrCrashed: '{qemu} was killed or crashed ({how}).',
  lastWords: 'Its last words: {words}',
  haveSameId: '{machines} have the same id ({id}): the folder of a machine was copied.',
  giveOwnId:
    'Give the copy an id of its own: check it for problems, and let them be repaired (ckpt doctor COPY --repair).',
  changeNotEnded: 'An interrupted operation could not be ended: {reason}',

  // Why the files of a machine cannot be believed.
  recordBroken: 'The file {path} cannot be believed: {why}.',
  manifestGone: 'The manifest {path} is missing.',
  manifestIsCircular: 'The manifest {path} makes its checkpoint its own ancestor.',
  isNoFolder: '{path} is not a folder.',
  firmwareTooLarge: 'The file {path} is too large to be UEFI variables or TPM state.',
  fileChanged: 'The file {path} was changed.',
  firmwareUnknown: 'The file {path} does not say where the UEFI variables and the TPM state of “{machine}” are.',
  layerMissing: 'The disk layer {path} is missing.',
  restoreToRun: 'Restore it from a backup; the machine cannot run without it.',
  chainIsEndless: 'The chain of {path} does not end: {found} is its own ancestor or lies too deep.',
  parentFormatUnknown: 'The layer {path} does not say what format its parent has; it is not guessed.',
  parentNotAllowed:
    'The layer {path} depends on something outside its machine: {found}. Nobody allowed that, so it is not opened.',
  restoreOrMoveAway: "Restore it from a backup, or move the machine's folder away.",
  nothingChanged: 'Nothing was changed.',

  // Parts of sentences.
  pair: '{first} and {second}',
  qemuProcess: 'QEMU (process {pid})',
  exitCode: 'exit code {code}',
  bySignal: 'it was told to by a signal (SIGTERM, SIGINT or SIGHUP)',
  afterError: 'after an error of its own',
  wasClosed: 'somebody closed it',
  guestReset: 'the guest reset itself',
  linkLeadsNowhere: 'it is a link that leads nowhere',
  isNotJson: 'it is not JSON',
  fieldIsOther: 'the field “{field}” is not as expected: {issue}',
  isNotRegular: 'it is not a regular file',
  isTooLong: 'it is {bytes} bytes long',
  theCheckpoint: 'the checkpoint {id}',
  theClone: 'the clone “{name}”',
  inTrash: '“{name}” in the trash',
  now: 'Now',
  andMore: '{names} and {count} more',
  hadBytes: 'it had {expected} bytes and has {found}',
  hadTime: 'its modification time was {expected} and is {found}',
  contentIsOther: 'its content is another',
  contentIsOtherUnseen: 'its content is another, with the size and the time that it had',
  sizeWas: 'its size was {expected}, and is {found}',
  timeWas: 'its modification time was {expected}, and is {found}',
  contentWas: 'its content was {expected}, and is {found}',
  cannotBeRead: 'it cannot be read',
  quoted: '“{name}”',
} as const;

export type SentenceCode = keyof typeof sentences;

type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** Names of the facts of a sentence. */
export type FactName<Code extends SentenceCode> = NamesIn<(typeof sentences)[Code]>;

/** Several are told in a row, separated by commas. */
export type Fact = string | number | Saying | readonly Fact[];

export interface Sentence {
  code: SentenceCode;
  /** By the names in the sentence. */
  facts: Readonly<Record<string, Fact>>;
}

/** A sentence, or what became of something as an error tells it. */
export type Saying = Sentence | { error: WireError };
