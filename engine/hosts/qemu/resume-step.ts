import { englishOf } from '../../model/sayings.ts';
import type { ResumeStep } from '../../protocol/resume-steps.ts';
import type { Sentence } from '../../protocol/sentences.ts';

export function resumeStep(
  step: ResumeStep['step'],
  outcome: ResumeStep['outcome'],
  ...sentences: Sentence[]
): ResumeStep {
  return { step, outcome, detail: englishOf(sentences), sentences };
}
