import type { ResumeStep } from '../protocol/resume-steps.ts';

/** What is worth telling a person, in one text; empty when there is nothing. */
export function tellSteps(steps: readonly ResumeStep[] = []): string {
  return steps
    .filter(({ outcome }) => outcome !== 'skipped')
    .map(({ detail }) => detail)
    .join(' ');
}
