import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { say } from '../../model/sayings.ts';
import type { ResumeStep } from '../../protocol/resume-steps.ts';
import type { Sentence } from '../../protocol/sentences.ts';
import type { Welcome } from '../host.ts';
import { isWindows } from './file-system-freeze.ts';
import { GuestAgent } from './guest-agent.ts';
import { setGuestClock } from './guest-clock.ts';
import { renewGuestNetwork } from './guest-network.ts';
import { runState } from './qemu-process.ts';
import { QmpConnection } from './qmp.ts';
import { resumeStep } from './resume-step.ts';
import { pausedStates } from './run-states.ts';
import { socketsIn } from './sockets-folder.ts';

const agentLimitMs = 3000;
const lookLimitMs = 2000;
/** Consoles look for the machine five times a second. */
const joinLimitMs = 1500;
const intervalMs = 50;

const ports = z.array(z.object({ label: z.string(), filename: z.string(), 'frontend-open': z.boolean() }));

/** What `Host.welcomeBack` does, for a QEMU process. */
export async function welcomeBack(socketsFolder: string, wanted: Welcome, signal?: AbortSignal): Promise<ResumeStep[]> {
  const [guest, console] = await Promise.all([
    helpGuest(socketsFolder, wanted),
    wanted.hadConsole === true ? untilJoined(socketsFolder, signal) : undefined,
  ]);
  const generation = wanted.hasGeneration === undefined ? undefined : toldGeneration(wanted.hasGeneration);
  return [...guest, generation, console].filter((step) => step !== undefined);
}

/** True when a client is connected to the serial port (QMP `query-chardev`). */
export async function hasConsole(socketsFolder: string): Promise<boolean> {
  const serial = (await queryPorts(socketsFolder)).find(({ label }) => label === 'serial0');
  return serial !== undefined && !serial.filename.startsWith('disconnected:');
}

async function helpGuest(socketsFolder: string, { renewNetwork }: Welcome): Promise<ResumeStep[]> {
  const steps = ['clock', ...(renewNetwork === true ? (['network'] as const) : [])] as const;
  const problem = await obstacle(socketsFolder).catch(() => undefined);
  if (problem !== undefined) {
    return steps.map((step) => resumeStep(step, ...problem));
  }
  let agent: GuestAgent | undefined;
  try {
    agent = await GuestAgent.connect(socketsIn(socketsFolder).agent, agentLimitMs);
    const clock = await setGuestClock(agent);
    const network = renewNetwork === true ? await renewGuestNetwork(agent, await isWindows(agent)) : undefined;
    return [clock, ...(network === undefined ? [] : [network])];
  } catch {
    return steps.map((step) => resumeStep(step, ...noAgent));
  } finally {
    agent?.close();
  }
}

type Outcome = [outcome: ResumeStep['outcome'], detail: Sentence];

const noAgent: Outcome = ['failed', say('noAgent')];

const isPaused: Outcome = ['skipped', say('guestIsPaused')];

/** Why the guest cannot be asked now; a look at QEMU is quicker than to wait for an agent that is not there. */
async function obstacle(socketsFolder: string): Promise<Outcome | undefined> {
  const status = await QmpConnection.connect(socketsIn(socketsFolder).status, lookLimitMs);
  try {
    if (pausedStates.has(await runState(status, lookLimitMs))) {
      return isPaused;
    }
    const found = await status.query('query-chardev', ports, {}, lookLimitMs);
    return found.find(({ label }) => label === 'agent0')?.['frontend-open'] === false ? noAgent : undefined;
  } finally {
    status.close();
  }
}

function toldGeneration(hasDevice: boolean): ResumeStep {
  return hasDevice
    ? resumeStep('generation', 'done', say('newGeneration'))
    : resumeStep('generation', 'skipped', say('noGenerationDevice'));
}

async function untilJoined(socketsFolder: string, signal: AbortSignal | undefined): Promise<ResumeStep> {
  const end = performance.now() + joinLimitMs;
  while (performance.now() < end && signal?.aborted !== true) {
    if (await hasConsole(socketsFolder).catch(() => false)) {
      return resumeStep('console', 'done', say('consoleJoined'));
    }
    await delay(intervalMs);
  }
  return resumeStep('console', 'failed', say('consoleNotJoined'));
}

async function queryPorts(socketsFolder: string): Promise<z.output<typeof ports>> {
  const status = await QmpConnection.connect(socketsIn(socketsFolder).status, lookLimitMs);
  try {
    return await status.query('query-chardev', ports, {}, lookLimitMs);
  } finally {
    status.close();
  }
}
