import { lockHolder, namesNobody } from './file-lock.ts';

/** State is to be shown truthfully within two seconds. */
const intervalMs = 1000;

/**
 * Notices that the process died that held a machine's lock: the kernel releases the lock then, and its file, which is watched,
 * stays as it was. Looks only while a lock is held.
 */
export class HolderWatch {
  readonly #onDeath: (machine: string) => void;
  /** By machine. */
  readonly #locks = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onDeath: (machine: string) => void) {
    this.#onDeath = onDeath;
  }

  /** @param lock the file of a lock that somebody may hold */
  watch(machine: string, lock: string): void {
    this.#locks.set(machine, lock);
    this.#arm();
  }

  forget(machine: string): void {
    this.#locks.delete(machine);
  }

  close(): void {
    this.#locks.clear();
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#locks.size > 0) {
      this.#timer ??= setTimeout(() => void this.#look(), intervalMs);
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    for (const [machine, lock] of [...this.#locks]) {
      const isReleased = namesNobody(lock);
      const isHeld = !isReleased && (await lockHolder(lock).catch(() => undefined)) !== undefined;
      if (!isHeld && this.#locks.get(machine) === lock) {
        this.#locks.delete(machine);
        // That it was released is told by its file.
        if (!isReleased) {
          this.#onDeath(machine);
        }
      }
    }
    this.#timer = undefined;
    this.#arm();
  }
}
