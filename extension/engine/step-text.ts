/** What the engine reports to be doing, in the language of the window: it says so in English, as one of these. */
import type { Translator } from './error-facts.ts';

type Words = (l10n: Translator, first: string, second: string, third: string) => string;

const steps: readonly [said: RegExp, words: Words][] = [
  [/^Freezing disks$/, (l10n) => l10n.t('Freezing disks')],
  [/^Freezing disks and saving memory$/, (l10n) => l10n.t('Freezing disks and saving memory')],
  [/^Freezing the file systems of the guest$/, (l10n) => l10n.t('Freezing the file systems of the guest')],
  [/^Saving the memory of “(.*)”$/, (l10n, machine) => l10n.t('Saving the memory of “{0}”', machine)],
  [/^Keeping the present state$/, (l10n) => l10n.t('Keeping the present state')],
  [/^Loading “(.*)”$/, (l10n, checkpoint) => l10n.t('Loading “{0}”', checkpoint)],
  [/^Setting the clock of the guest$/, (l10n) => l10n.t('Setting the clock of the guest')],
  [/^Starting “(.*)”$/, (l10n, machine) => l10n.t('Starting “{0}”', machine)],
  [/^Resuming “(.*)” from its saved state$/, (l10n, machine) => l10n.t('Resuming “{0}” from its saved state', machine)],
  [/^Waiting for the guest to shut down$/, (l10n) => l10n.t('Waiting for the guest to shut down')],
  [/^Waiting until the machine is free$/, (l10n) => l10n.t('Waiting until the machine is free')],
  [/^Merging layers$/, (l10n) => l10n.t('Merging layers')],
  [/^Packing saved memory$/, (l10n) => l10n.t('Packing saved memory')],
  [
    /^(.*) is paused for (.*) by (.*)$/,
    (l10n, step, operation, face) => l10n.t('{0} is paused for {1} by {2}', stepText(step, l10n), operation, face),
  ],
  [/^Downloading (.*)$/, (l10n, image) => l10n.t('Downloading {0}', image)],
  [/^Copying files$/, (l10n) => l10n.t('Copying files')],
  [/^Copying the disk$/, (l10n) => l10n.t('Copying the disk')],
  [/^Copying what the machine stands on$/, (l10n) => l10n.t('Copying what the machine stands on')],
  [/^Copying (.*)$/, (l10n, disk) => l10n.t('Copying {0}', disk)],
  [/^Checking the disk$/, (l10n) => l10n.t('Checking the disk')],
  [/^Comparing the copy$/, (l10n) => l10n.t('Comparing the copy')],
  [/^Comparing (.+)$/, (l10n, disk) => l10n.t('Comparing {0}', disk)],
  [/^Checking$/, (l10n) => l10n.t('Checking')],
  [/^Merging$/, (l10n) => l10n.t('Merging')],
  [/^Converting$/, (l10n) => l10n.t('Converting')],
  [/^Compacting$/, (l10n) => l10n.t('Compacting')],
  [/^Resizing$/, (l10n) => l10n.t('Resizing')],
  [/^Comparing$/, (l10n) => l10n.t('Comparing')],
  [/^Examining “(.*)”$/, (l10n, machine) => l10n.t('Examining “{0}”', machine)],
];

/** @returns as the engine said it, where it is none of these */
export function stepText(said: string, l10n: Translator): string {
  for (const [pattern, words] of steps) {
    const found = pattern.exec(said);
    if (found !== null) {
      const [, first = '', second = '', third = ''] = found;
      return words(l10n, first, second, third);
    }
  }
  return said;
}
