import { z } from 'zod';
import { say } from '../../model/sayings.ts';
import type { ResumeStep } from '../../protocol/resume-steps.ts';
import type { Sentence } from '../../protocol/sentences.ts';
import type { GuestAgent } from './guest-agent.ts';
import { runInGuest } from './guest-programs.ts';
import { resumeStep } from './resume-step.ts';

const answerLimitMs = 5000;
/** What a round trip to a busy guest may take is no error of its clock. */
const toleratedMs = 500;
const nanosecondsPerMs = 1e6;

const time = z.number();

/** Sets the clock of a guest to that of this computer (`guest-set-time`), and looks whether it is right then. */
export async function setGuestClock(agent: GuestAgent): Promise<ResumeStep> {
  const before = await offsetOf(agent);
  if (before !== undefined && Math.abs(before) <= toleratedMs) {
    return resumeStep('clock', 'skipped', say('clockRight', { milliseconds: toleratedMs }));
  }
  try {
    await agent.execute('guest-set-time', { time: Date.now() * nanosecondsPerMs }, answerLimitMs);
  } catch {
    // The agent sets the hardware's clock too, and gives up where the guest has no program for that.
    await runInGuest(agent, 'date', ['-u', '-s', `@${Math.round(Date.now() / 1000)}`], answerLimitMs).catch(
      () => undefined,
    );
  }
  const after = await offsetOf(agent);
  if (after === undefined || Math.abs(after) > longestErrorMs) {
    const what = after === undefined ? say('clockNotSet') : say('clockNotSetAt', { offset: sayOffset(after) });
    return resumeStep('clock', 'failed', what, say('clockToBeSet'));
  }
  const found = before === undefined ? say('clockSet') : say('clockSetFrom', { offset: sayOffset(before) });
  return resumeStep('clock', 'done', found);
}

/** A clock that was set and is further off was not set. */
const longestErrorMs = 2000;

/** How far the guest's clock is ahead of ours, in ms; undefined when it does not say. */
async function offsetOf(agent: GuestAgent): Promise<number | undefined> {
  const asked = Date.now();
  const answer = await agent.execute('guest-get-time', {}, answerLimitMs).catch(() => undefined);
  const answered = Date.now();
  const guest = time.safeParse(answer).data;
  // Somewhere between question and answer it was read.
  return guest === undefined ? undefined : guest / nanosecondsPerMs - (asked + answered) / 2;
}

function sayOffset(offsetMs: number): Sentence {
  const length = Math.abs(offsetMs) / 1000;
  const seconds = length < 10 ? length.toFixed(1) : Math.round(length);
  return offsetMs < 0 ? say('secondsBehind', { seconds }) : say('secondsAhead', { seconds });
}
