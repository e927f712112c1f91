import type { ErrorCode } from '../protocol/errors.ts';
import type { MachineInfo, UnreadState } from '../protocol/machines.ts';
import { toWireError } from './checkpoint-error.ts';

/** Nothing is known to be wrong with what cannot be read. */
const unreachableCodes: readonly ErrorCode[] = ['MachineNotReachable', 'HomeNotReachable', 'PermissionDenied'];

/** What a machine is shown as whose records could not be read, or not be believed. */
export function stateUnread(error: unknown): UnreadState {
  return unreachableCodes.includes(toWireError(error).code) ? 'unreachable' : 'damaged';
}

/** True of a machine of which nothing is known but its name and its folder. */
export function isUnread({ state }: Pick<MachineInfo, 'state'>): boolean {
  return state === 'damaged' || state === 'unreachable';
}
