import { say } from '../../model/sayings.ts';
import type { MachineFolder } from '../../store/machine-folder.ts';
import type { Presence } from '../host.ts';
import { endingOf, endsPanicked, toldEvents } from './ending.ts';
import { hypervisorLog, ifLiving, lastWords, runState } from './qemu-process.ts';
import { QmpConnection } from './qmp.ts';
import { panickedState, pausedStates, problemOfState } from './run-states.ts';
import { socketsIn } from './sockets-folder.ts';

/** A look may take this long; a QEMU that is busy longer is running. */
const lookLimitMs = 1000;

/** Also of a guest whose memory was saved since, or that was told to go on, so that QEMU's run state says something else. */
async function isPanicked(socketsFolder: string, state: string): Promise<boolean> {
  return state === panickedState || endsPanicked(await toldEvents(socketsFolder));
}

/** What a look at a machine's process shows, which need not have been started by this engine. */
export async function look(folder: MachineFolder): Promise<Presence> {
  const record = await folder.processes.read('current');
  if (record === undefined) {
    return { state: 'stopped' };
  }
  const living = await ifLiving(record);
  if (living === undefined) {
    const problem = await endingOf(record, await lastWords(record.socketsFolder));
    return {
      state: 'stopped',
      ...(problem === undefined ? {} : { problem, log: hypervisorLog(record.socketsFolder) }),
    };
  }
  try {
    const status = await QmpConnection.connect(socketsIn(living.socketsFolder).status, lookLimitMs);
    try {
      const state = await runState(status, lookLimitMs);
      const hasPanicked = await isPanicked(living.socketsFolder, state);
      const problem = hasPanicked ? say('panicked') : problemOfState[state];
      return {
        state: pausedStates.has(state) ? 'paused' : 'running',
        pid: living.pid,
        ...(problem === undefined ? {} : { problem: [problem] }),
        ...(hasPanicked ? { hasPanicked } : {}),
      };
    } finally {
      status.close();
    }
  } catch {
    return { state: 'running', pid: living.pid, problem: [say('notAnswering')] };
  }
}
