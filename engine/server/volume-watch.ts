import type { SpaceWatch } from '../checkpoints/space-watch.ts';
import type { MachineState } from '../protocol/machines.ts';
import type { SpaceLowParams, SpaceWarning } from '../protocol/space.ts';

export interface VolumeWatchOptions {
  /** Between two looks, each of which costs one statfs(2) a volume. */
  intervalMs: number;
  /** Machines are paused before their volume is full. */
  pausesMachines: boolean;
}

/** As the editor's setting says, which the engine is started with. */
export function chosenOptions(environment: NodeJS.ProcessEnv): VolumeWatchOptions {
  return { intervalMs: 10_000, pausesMachines: environment['VM_CHECKPOINTS_PAUSE_WHEN_FULL'] === '1' };
}

interface Pausing {
  pause(params: { machine: string }): Promise<unknown>;
}

/** Tells, once each time, that a volume which running machines write to is going to be full, and pauses them if that is asked for. */
export class VolumeWatch {
  readonly #space: Pick<SpaceWatch, 'look'>;
  readonly #service: Pausing;
  readonly #tell: (warning: SpaceLowParams) => void;
  readonly #options: VolumeWatchOptions;
  /** By volume, what was told. */
  #told = new Map<string, SpaceWarning['level']>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #running = '';
  #isLooking = false;

  constructor(
    space: Pick<SpaceWatch, 'look'>,
    service: Pausing,
    tell: (warning: SpaceLowParams) => void,
    options: VolumeWatchOptions,
  ) {
    this.#options = options;
    this.#space = space;
    this.#service = service;
    this.#tell = tell;
  }

  /** To be called often: it looks when it is time, and when other machines run than before. */
  async look(states: ReadonlyMap<string, MachineState>): Promise<void> {
    const running = new Set([...states].filter(([, state]) => state === 'running').map(([name]) => name));
    const names = JSON.stringify([...running]);
    const now = performance.now();
    if (
      this.#isLooking ||
      (names === this.#running && (running.size === 0 || now - this.#lookedAt < this.#options.intervalMs))
    ) {
      return;
    }
    this.#isLooking = true;
    this.#lookedAt = now;
    this.#running = names;
    try {
      await this.#report(await this.#space.look(running, now));
    } finally {
      this.#isLooking = false;
    }
  }

  async #report(warnings: readonly SpaceWarning[]): Promise<void> {
    const before = this.#told;
    this.#told = new Map(warnings.map(({ volume, level }) => [volume, level]));
    for (const warning of warnings) {
      const known = before.get(warning.volume);
      const paused =
        warning.level === 'critical' && this.#options.pausesMachines ? await this.#pause(warning.machines) : [];
      if (known === undefined || (known === 'low' && warning.level === 'critical') || paused.length > 0) {
        this.#tell({ ...warning, paused });
      }
    }
  }

  async #pause(machines: readonly string[]): Promise<string[]> {
    const paused: string[] = [];
    for (const machine of machines) {
      // One that is busy is asked again at the next look.
      await this.#service.pause({ machine }).then(
        () => paused.push(machine),
        () => undefined,
      );
    }
    return paused;
  }
}
