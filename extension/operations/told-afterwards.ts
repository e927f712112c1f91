/** What is told once a machine came back, or goes on: what has happened, and what was done for its guest. */
import type { ApplyResult, Result } from '../../engine/protocol/operations.ts';
import type { ResumeStep } from '../../engine/protocol/resume-steps.ts';
import { sayingsInWords, type Language } from '../engine/saying-in-words.ts';
import { formatDuration } from '../presentation/duration.ts';

export function appliedText(
  form: 'apply' | 'revert',
  { machine: { name }, applied, totalMs, steps }: ApplyResult,
  l10n: Language,
): string {
  const duration = formatDuration(totalMs);
  const happened =
    form === 'revert'
      ? l10n.t('Reverted “{0}” to “{1}”. ({2})', name, applied.name, duration)
      : l10n.t('Applied “{1}” to “{0}”. ({2})', name, applied.name, duration);
  return [happened, ...stepTexts(steps, l10n)].join(' ');
}

export function undoneText({ machine: { name }, totalMs, steps }: ApplyResult, l10n: Language): string {
  const happened = l10n.t('Undone: “{0}” is again what it was before. ({1})', name, formatDuration(totalMs));
  return [happened, ...stepTexts(steps, l10n)].join(' ');
}

export function redoneText({ machine: { name }, totalMs, steps }: ApplyResult, l10n: Language): string {
  const happened = l10n.t('Redone: “{0}” is again what it was before the undo. ({1})', name, formatDuration(totalMs));
  return [happened, ...stepTexts(steps, l10n)].join(' ');
}

/** @param machines in quotation marks, in a row */
export function groupAppliedText({ group, steps }: Result<'groupApply'>, machines: string, l10n: Language): string {
  return [
    l10n.t('Applied “{0}” to {1}.', group.name, machines),
    ...Object.entries(steps).flatMap(([machine, ofMachine]) => {
      const texts = stepTexts(ofMachine, l10n);
      return texts.length === 0 ? [] : [l10n.t('“{0}”: {1}', machine, texts.join(' '))];
    }),
  ].join(' ');
}

/** Of a machine that was started, or that goes on after a pause. @returns undefined when there is nothing to tell */
export function goesOnText({ machine, steps }: Result<'start'>, l10n: Language): string | undefined {
  const texts = stepTexts(steps, l10n);
  return texts.length === 0 ? undefined : l10n.t('“{0}” goes on. {1}', machine.name, texts.join(' '));
}

function stepTexts(steps: readonly ResumeStep[] = [], l10n: Language): string[] {
  return steps
    .filter(({ outcome }) => outcome !== 'skipped')
    .map(({ detail, sentences }) => sayingsInWords(sentences, detail, l10n));
}
