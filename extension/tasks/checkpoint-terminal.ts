/** The terminal of a `vm-checkpoint` task: takes the checkpoint, says what it does, and ends with exit code 0 or 1. */
import * as vscode from 'vscode';
import type { Params } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import { sayingsInWords } from '../engine/saying-in-words.ts';
import { EngineError, engineErrorFrom } from '../engine/engine-error.ts';
import { gitHead } from '../git-head.ts';
import { achievedTexts } from '../machines/descriptions.ts';
import { problemTexts } from '../operations/group-problems.ts';
import { readCheckpointKind } from '../settings.ts';
import { formatDuration } from '../presentation/duration.ts';
import type { CheckpointTask, CheckpointTaskProblem } from './checkpoint-task.ts';
import { readCheckpointTask } from './checkpoint-task.ts';

const interrupt = '\u0003';
/** Longer than VS Code's own limit of 500 ms. */
const launchMs = 700;

export class CheckpointTerminal implements vscode.Pseudoterminal {
  readonly #context: CheckpointsContext;
  readonly #definition: vscode.TaskDefinition;
  readonly #write = new vscode.EventEmitter<string>();
  readonly #close = new vscode.EventEmitter<number>();
  readonly #cancellation = new vscode.CancellationTokenSource();
  #opened = 0;

  readonly onDidWrite = this.#write.event;
  readonly onDidClose = this.#close.event;

  /** @param definition with its variables resolved */
  constructor(context: CheckpointsContext, definition: vscode.TaskDefinition) {
    this.#context = context;
    this.#definition = definition;
  }

  open(): void {
    this.#opened = performance.now();
    void this.#run();
  }

  /** VS Code calls this when the user closes the terminal or ends the task. */
  close(): void {
    this.#cancellation.cancel();
  }

  handleInput(input: string): void {
    if (input.includes(interrupt)) {
      this.#cancellation.cancel();
    }
  }

  async #run(): Promise<void> {
    try {
      await this.#take();
      this.#end(0);
    } catch (error) {
      const { code, message, said } = engineErrorFrom(error);
      this.#context.log.warn(`A ${this.#definition.type} task failed with ${code}: ${said}`);
      this.#print(`\u001b[31m${message}\u001b[0m`);
      this.#print(vscode.l10n.t('No checkpoint was taken ({0}). Tasks that depend on this one do not start.', code));
      this.#end(1);
    }
  }

  async #take(): Promise<void> {
    const task = readCheckpointTask(this.#definition);
    if ('problem' in task) {
      throw new EngineError('InvalidArgument', problemText(task.problem));
    }
    if (!vscode.workspace.isTrusted) {
      throw new EngineError(
        'PermissionDenied',
        vscode.l10n.t('Nothing is changed in a workspace that is not trusted.'),
      );
    }
    const { machine, name, memory, group, keepLast } = task;
    if (group !== undefined) {
      await this.#takeGroup({ ...task, group });
      return;
    }
    this.#print(
      name === undefined
        ? vscode.l10n.t('Taking a checkpoint of “{0}”…', machine)
        : vscode.l10n.t('Taking checkpoint “{0}” of “{1}”…', name, machine),
    );
    const git = gitHead();
    const params: Params<'take'> = {
      machine,
      createdBy: 'task',
      ...(name === undefined ? {} : { name }),
      ...(memory === undefined ? { kind: readCheckpointKind() } : { memory }),
      ...(keepLast === undefined ? {} : { keepLast }),
      ...(git === undefined ? {} : { git }),
    };
    const { checkpoint, totalMs, problem, problemSentences } = await this.#context.engine.request('take', params, {
      token: this.#cancellation.token,
      activity: vscode.l10n.t('Taking a checkpoint of “{0}”…', machine),
      onProgress: ({ message }) => this.#print(message),
    });
    if (problem !== undefined) {
      this.#print(sayingsInWords(problemSentences, problem, vscode.l10n));
    }
    this.#print(
      checkpoint.pauseMs === undefined
        ? vscode.l10n.t('Took checkpoint “{0}” in {1}.', checkpoint.name, formatDuration(totalMs))
        : vscode.l10n.t(
            'Took checkpoint “{0}” in {1}; the machine stood still for {2}.',
            checkpoint.name,
            formatDuration(totalMs),
            formatDuration(checkpoint.pauseMs),
          ),
    );
  }

  async #takeGroup({ machine, name, memory, group }: CheckpointTask & { group: string[] }): Promise<void> {
    const machines = [...new Set([machine, ...group])];
    const shown = machines.map((one) => `“${one}”`).join(', ');
    const activity = vscode.l10n.t('Taking checkpoints of {0} together…', shown);
    this.#print(activity);
    const git = gitHead();
    const params: Params<'groupTake'> = {
      machines,
      createdBy: 'task',
      ...(name === undefined ? {} : { name }),
      ...(memory === undefined ? { kind: readCheckpointKind() } : { memory }),
      ...(git === undefined ? {} : { git }),
    };
    const taken = await this.#context.engine.request('groupTake', params, {
      token: this.#cancellation.token,
      activity,
      onProgress: ({ message }) => this.#print(message),
    });
    for (const problem of problemTexts(taken)) {
      this.#print(problem);
    }
    this.#print(vscode.l10n.t('Took checkpoints “{0}” of {1}.', taken.group.name, achievedTexts(taken.group)));
  }

  /** VS Code takes a terminal that ends with a failure at once for one that could not be launched, and says so. */
  #end(exitCode: number): void {
    const rest = exitCode === 0 ? 0 : launchMs - (performance.now() - this.#opened);
    setTimeout(() => this.#close.fire(exitCode), Math.max(0, rest));
  }

  #print(line: string): void {
    this.#write.fire(`${line}\r\n`);
  }
}

function problemText(problem: CheckpointTaskProblem): string {
  switch (problem) {
    case 'noMachine':
      return vscode.l10n.t('The task names no machine. Add "machine": "NAME" to it in tasks.json.');
    case 'nameNotText':
      return vscode.l10n.t('The member "name" of the task must be a text.');
    case 'memoryNotBoolean':
      return vscode.l10n.t('The member "memory" of the task must be true or false.');
    case 'groupNotNames':
      return vscode.l10n.t('The member "group" of the task must be a list of names of machines.');
    case 'keepLastNotCount':
      return vscode.l10n.t('The member "keepLast" of the task must be a whole number from 1 to 1000.');
    case 'keepLastWithoutName':
      return vscode.l10n.t('The task has "keepLast", which goes by the name: add "name": "NAME" to it.');
    case 'keepLastOfGroup':
      return vscode.l10n.t('The task has "group" and "keepLast": what is kept of a group is not counted.');
  }
}
