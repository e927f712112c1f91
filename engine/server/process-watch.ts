import type { CheckpointService } from '../checkpoints/checkpoint-service.ts';
import type { MachineState } from '../protocol/machines.ts';

/** State is to be shown truthfully within two seconds. */
const intervalMs = 1000;
/** What ends before the first look is not noticed; the first list goes before it all the same. */
const firstLookMs = 200;

/** Notices what happens to machines without any engine's doing: a guest that powers off, a hypervisor that dies, a disk that vanishes. */
export class ProcessWatch {
  readonly #service: CheckpointService;
  readonly #onChange: (machine: string) => void;
  readonly #onLook: (states: ReadonlyMap<string, MachineState>) => void;
  /** Absent before the first look. */
  #states: ReadonlyMap<string, MachineState> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    service: CheckpointService,
    onChange: (machine: string) => void,
    onLook: (states: ReadonlyMap<string, MachineState>) => void,
  ) {
    this.#service = service;
    this.#onChange = onChange;
    this.#onLook = onLook;
  }

  start(): void {
    this.#lookIn(firstLookMs);
  }

  #lookIn(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const found = await this.#service.states().catch(() => this.#states ?? new Map<string, MachineState>());
    // A disk that vanishes, or is back, takes machines along, or brings some: no watch on a folder tells that.
    const before = this.#states ?? found;
    for (const machine of new Set([...before.keys(), ...found.keys()])) {
      if (before.get(machine) !== found.get(machine)) {
        this.#onChange(machine);
      }
    }
    this.#states = found;
    this.#onLook(found);
    if (!this.#isClosed) {
      this.#lookIn(intervalMs);
    }
  }
}
