import type { Host, Welcome } from '../hosts/host.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { ResumeStep } from '../protocol/resume-steps.ts';
import type { ApplyOptions } from '../protocol/operations.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { owesWelcome, welcomeIsGiven } from '../store/owed-welcome.ts';
import type { JournalRecord } from '../store/records.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';

/** What has to be known of a machine before a checkpoint is applied to it, to help its guest afterwards. */
export interface Leaving {
  folder: MachineFolder;
  hadConsole: boolean;
}

/** To be called while the machine is still what it was. */
export async function leaving(context: EngineContext, { folder, records, presence }: OpenMachine): Promise<Leaving> {
  const host = hostOf(context, records.definition);
  // Whoever cannot tell has none to miss.
  const hadConsole = presence.state !== 'stopped' && (await host.hasConsole(folder).catch(() => false));
  return { folder, hadConsole };
}

/**
 * Helps a guest that came back with its memory to find its way in the present. The checkpoint has been applied, whatever
 * becomes of this.
 * @returns nothing for one that was applied without memory, or makes a saved machine
 */
export async function welcomeBack(
  context: EngineContext,
  { folder, hadConsole }: Leaving,
  { definition, memory }: Checkpoint,
  { disksOnly, renewNetwork }: ApplyOptions,
  call: Call,
): Promise<{ steps?: ResumeStep[] }> {
  if (memory === undefined || memory.wasSaved === true || disksOnly === true) {
    return {};
  }
  call.report?.('Setting the clock of the guest');
  const wanted = { hasGeneration: definition.hasGeneration === true, hadConsole, renewNetwork: renewNetwork === true };
  return { steps: await welcome(hostOf(context, definition), folder, wanted, call.signal) };
}

/** Helps a guest that goes on; from then on nobody else is to. */
export async function welcome(
  host: Pick<Host, 'welcomeBack'>,
  folder: MachineFolder,
  wanted: Welcome = {},
  signal?: AbortSignal,
): Promise<ResumeStep[]> {
  const steps = await host.welcomeBack(folder, wanted, signal);
  await welcomeIsGiven(folder);
  return steps;
}

/** The help that an engine owes to a guest and did not live to give. */
export async function giveOwedWelcome(context: EngineContext, folder: MachineFolder): Promise<void> {
  if (owesWelcome(folder)) {
    const { definition } = await folder.read();
    await welcomeRecovered(context, folder, hostOf(context, definition), { wasRunning: true, runsAfterwards: true });
  }
}

/**
 * The same after a change that an engine did not live to end: its guest stood still until then, or has come back with its memory.
 * Nobody waits for the steps, so they are in the log.
 */
export async function welcomeRecovered(
  context: EngineContext,
  folder: MachineFolder,
  host: Pick<Host, 'welcomeBack'>,
  { wasRunning, runsAfterwards }: Pick<JournalRecord, 'wasRunning' | 'runsAfterwards'>,
): Promise<void> {
  if (!wasRunning && !runsAfterwards) {
    return;
  }
  const name = `Machine ${folder.path}`;
  try {
    const steps = await welcome(host, folder);
    steps.forEach(({ detail }) => context.log.info(`${name}: ${detail}`));
  } catch (error) {
    context.log.error(`${name}: the clock of its guest was not looked at: ${String(error)}`);
    await welcomeIsGiven(folder);
  }
}
