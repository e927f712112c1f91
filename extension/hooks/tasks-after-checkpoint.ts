/** Tasks that run before debug sessions whose checkpoint was taken, and so are not without one. */

interface StartedTask {
  name: string;
  /** Such as `npm` or `Workspace`. */
  source: string;
}

export class TasksAfterCheckpoint {
  /** Machine of the checkpoint, by what the session calls its task. */
  readonly #expected = new Map<string, string>();

  /** @param preLaunchTask of a debug configuration; one that is no text is not told apart from others */
  expect(preLaunchTask: unknown, machine: string): void {
    if (typeof preLaunchTask === 'string') {
      this.#expected.set(preLaunchTask, machine);
    }
  }

  /** Whether a task that starts is one that is expected; once, as a session runs it once. */
  starts({ name, source }: StartedTask, machine: string): boolean {
    const label = [name, `${source}: ${name}`].find((one) => this.#expected.get(one) === machine);
    return label !== undefined && this.#expected.delete(label);
  }
}

export const tasksAfterCheckpoint = new TasksAfterCheckpoint();
