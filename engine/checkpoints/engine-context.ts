import type { Host } from '../hosts/host.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { MachineDefinition } from '../model/machine.ts';
import type { ByteCount } from '../store/job-progress.ts';
import type { Home } from '../store/home.ts';
import type { JobProgram } from './job-runner.ts';

/** What every operation works with. */
export interface EngineContext {
  home: Home;
  hosts: Hosts;
  /** How a user knows this engine, for those who wait for its lock: `VS Code`, `ckpt`, … */
  face: string;
  log: Log;
  /** The engine's own program, to stand in for it should it die; absent for one that is part of another program. */
  standIn?: JobProgram & { env: NodeJS.ProcessEnv };
  /** Names of the machines that this engine has changed. */
  changed: Set<string>;
}

export interface Log {
  info(message: string): void;
  error(message: string): void;
}

/** The host of a machine. */
export function hostOf({ hosts }: EngineContext, { host }: Pick<MachineDefinition, 'host'>): Host {
  return hosts[host];
}

/** How one call is to be carried out. */
export interface Call {
  signal?: AbortSignal;
  /** Tells the person waiting what is being done. */
  report?: (message: string, fraction?: number, bytes?: ByteCount) => void;
}

/** For spreading into options: absent stays absent. */
export function signalOf(call: Call): { signal?: AbortSignal } {
  return call.signal === undefined ? {} : { signal: call.signal };
}
