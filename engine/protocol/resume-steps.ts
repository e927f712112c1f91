import type { Saying } from './sentences.ts';

/** What was done so that a guest that had stood still, or came back with its memory, finds its way in the present. */
export interface ResumeStep {
  step: 'clock' | 'generation' | 'network' | 'console';
  /** `skipped`: there was nothing to do. */
  outcome: 'done' | 'skipped' | 'failed';
  /** A sentence that says what was found and done, and for `failed` the way out. */
  detail: string;
  /** The same, for front ends in other languages. */
  sentences: Saying[];
}
