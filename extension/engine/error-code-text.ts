/** What each error code says by itself, in a window that is not in English. */
import type { ErrorCode } from '../../engine/protocol/errors.ts';
import type { Translator } from './error-facts.ts';

/** What happened, and the way out that there always is. */
export function codeText(code: ErrorCode, l10n: Translator): string {
  switch (code) {
    case 'InvalidArgument':
      return l10n.t('This cannot be done in the way that was asked for.');
    case 'InvalidName':
      return l10n.t('This name cannot be used. Choose another one.');
    case 'NameInUse':
      return l10n.t('This name is taken. Choose another one.');
    case 'MachineNotFound':
      return l10n.t('There is no such machine.');
    case 'CheckpointNotFound':
      return l10n.t('There is no such checkpoint.');
    case 'NotInTrash':
      return l10n.t('The trash has no such checkpoint.');
    case 'AmbiguousName':
      return l10n.t('Several have this name. Name the one you mean by its id.');
    case 'MachineRunning':
      return l10n.t('The machine is running. Shut it down first.');
    case 'MachineNotRunning':
      return l10n.t('The machine is not running. Start it first.');
    case 'MachinePaused':
      return l10n.t('The machine is paused. Resume it first.');
    case 'MachineDamaged':
      return l10n.t(
        'A file of the machine is missing, or cannot be believed. “Check for Problems…” tells what can be done; what it cannot mend is to be restored from a backup.',
      );
    case 'MachineNotSaved':
      return l10n.t('The machine is not saved.');
    case 'MachineNotReachable':
      return l10n.t('The machine is not reachable. Connect the disk that it was moved to.');
    case 'HomeNotReachable':
      return l10n.t('The machines are not reachable. Connect the disk that they lie on again.');
    case 'Locked':
      return l10n.t('It is being changed by somebody else. Wait until that has finished and try again.');
    case 'NotEnoughSpace':
      return l10n.t('There is not enough space. Free some on the volume and try again.');
    case 'PermissionDenied':
      return l10n.t('This is not allowed. Check the permissions of the file and its folder.');
    case 'DiskNotFound':
      return l10n.t('A file that is needed is missing. Put it back.');
    case 'NotADiskImage':
      return l10n.t('The file is not a disk image that is known here.');
    case 'UnsupportedDisk':
      return l10n.t('The disk image is of a kind for which this is not possible.');
    case 'DiskInUse':
      return l10n.t('A disk is open in another program. Close that program and try again.');
    case 'ParentMismatch':
      return l10n.t(
        'A disk and the one that it stands on do not fit together any more, so it is not used. “Check for Problems…” tells what can be done.',
      );
    case 'ParentNotAllowed':
      return l10n.t('A disk names a file that nobody allowed it to use, so it is not opened.');
    case 'ImageNotFound':
      return l10n.t('There is no such image in the catalogue. “Create Machine…” shows those there are.');
    case 'ImageDamaged':
      return l10n.t('An image is damaged. Use a whole copy of it, or download it again.');
    case 'DownloadFailed':
      return l10n.t(
        'The image could not be downloaded. Check the connection, or create the machine from a disk of your own.',
      );
    case 'QemuNotFound':
      return l10n.t('QEMU was not found. Install it, or set its path in the settings.');
    case 'QemuFailed':
      return l10n.t('QEMU could not do this. The log has the details.');
    case 'QmpTimeout':
      return l10n.t('QEMU did not do this in time. Try again, or force the machine off.');
    case 'GuestNotResponding':
      return l10n.t('The guest does not answer as it should. Start it, and the QEMU guest agent in it.');
    case 'GuestTooBusy':
      return l10n.t(
        'The guest writes to its disk faster than layers can be merged, although its disk was slowed down for a while. The layers are as before. Merge them when it writes less, or shut the machine down first.',
      );
    case 'MemoryNotCompatible':
      return l10n.t(
        'The saved memory cannot be used here. A checkpoint’s disks can still be applied without it; a saved machine starts from its disks once its saved state is discarded.',
      );
    case 'NothingToUndo':
      return l10n.t('There is nothing to undo.');
    case 'NothingToRevert':
      return l10n.t('There is no checkpoint to revert to.');
    case 'NothingToRedo':
      return l10n.t('There is nothing to redo.');
    case 'Cancelled':
      return l10n.t('Cancelled.');
    case 'Internal':
      return l10n.t('Something unexpected went wrong. The log has the details.');
    case 'JobNotFound':
      return l10n.t('There is no such job.');
    case 'JobDamaged':
      return l10n.t('The records of the job cannot be believed. Move its folder away when the job is of no use.');
    case 'JobInterrupted':
      return l10n.t('The job was interrupted. Resume it, or undo it.');
    case 'NothingToResume':
      return l10n.t('Only an interrupted job can be resumed.');
    case 'NotSupported':
      return l10n.t('This is not possible here.');
    case 'HasClones':
      return l10n.t('Linked clones stand on the disks of this machine. Make them independent first (Flatten).');
    case 'FirmwareNotFound':
      return l10n.t('The firmware for UEFI was not found. Install OVMF.');
    case 'TpmNotFound':
      return l10n.t('A TPM is run by the program swtpm, which was not found. Install it.');
  }
}
