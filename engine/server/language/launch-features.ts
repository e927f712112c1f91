/** What there is to say of the tasks that debug sessions run first, where those take checkpoints. */
import { CodeActionKind, type CodeAction, type TextDocumentEdit, type CreateFile } from 'vscode-languageserver/node';
import type { CheckpointInfo, MachineInfo } from '../../protocol/machines.ts';
import { toWireError } from '../../model/checkpoint-error.ts';
import {
  firstTask,
  guardSession,
  withPreLaunchTask,
  type DebugSession,
  type FirstTask,
  type SessionGuard,
} from './launch-file.ts';
import { checkpointsByLabel, defaultBuildTask, withTasks, type CheckpointTask, type TasksText } from './tasks-file.ts';
import type { LanguageTexts } from './texts.ts';

/** The checkpoints that each task takes, by its label. */
export type TakenByTasks = ReadonlyMap<string, readonly CheckpointTask[]>;

/** A file with debug sessions, and the one that has the tasks they name, which may be the same. */
export interface LaunchFiles {
  launch: { uri: string; text: string };
  /** `text`: undefined when there is no such file yet. */
  tasks: { uri: string; text: string | undefined; list: TasksText['list'] };
}

const newTasksFile = '{\n  "version": "2.0.0",\n  "tasks": []\n}\n';

export function takenByTasks({ tasks: { text = '', list } }: LaunchFiles): TakenByTasks {
  return checkpointsByLabel({ text, list });
}

/** What a session runs first, its variables replaced as far as the files tell. */
export function firstOf(session: DebugSession, { tasks: { text = '', list } }: LaunchFiles): FirstTask {
  return firstTask(session, defaultBuildTask({ text, list }));
}

/** Tasks before debug sessions that cannot take their checkpoint, because there is no such machine. */
export function impossibleTasks(
  sessions: readonly DebugSession[],
  files: LaunchFiles,
  known: ReadonlySet<string>,
): { offset: number; length: number; task: string; machine: string }[] {
  const taken = takenByTasks(files);
  return sessions.flatMap((session) => {
    const { preLaunchTask } = session;
    const first = firstOf(session, files);
    if (preLaunchTask === undefined || first.kind !== 'task' || typeof first.task !== 'string') {
      return [];
    }
    const { offset, length } = preLaunchTask;
    return (taken.get(first.task) ?? []).flatMap(({ label, machines }) =>
      machines
        .filter((machine) => !machine.includes('${') && !known.has(machine))
        .map((machine) => ({ offset, length, task: label, machine })),
    );
  });
}

/** What is to be said of the task that a session runs first; undefined when that takes no checkpoint. */
export function firstTaskText(
  session: DebugSession,
  files: LaunchFiles,
  machines: readonly MachineInfo[],
  texts: LanguageTexts,
): string | undefined {
  const first = firstOf(session, files);
  if (first.kind === 'unknown') {
    return texts.firstUnknown[first.why];
  }
  return first.kind === 'task' && typeof first.task === 'string'
    ? takenText(first.task, takenByTasks(files), machines, texts)
    : undefined;
}

/** Which checkpoints a task takes before the session, and when that was last done; undefined when it takes none. */
function takenText(
  task: string,
  taken: TakenByTasks,
  machines: readonly MachineInfo[],
  texts: LanguageTexts,
): string | undefined {
  const found = taken.get(task);
  return found
    ?.flatMap((one) => [
      texts.takesBefore(one.label, one.machines),
      ...one.machines.flatMap((name) => {
        const machine = machines.find((other) => other.name === name || other.id === name);
        return machine === undefined ? [] : [texts.last(name, lastOf(machine, one))];
      }),
    ])
    .join(' ');
}

function lastOf({ checkpoints }: MachineInfo, { name }: CheckpointTask): CheckpointInfo | undefined {
  return checkpoints.findLast((one) => (name === undefined ? one.createdBy === 'task' : one.name === name));
}

/**
 * Has a checkpoint taken before a session: adds the task for it, and names that as the first.
 * @returns undefined when there is nothing to do; where it cannot be done, an action that is disabled and says why
 */
export function guardSessionAction(
  title: string,
  files: LaunchFiles,
  session: DebugSession,
  machine: string,
  texts: LanguageTexts,
): CodeAction | undefined {
  const guard = guardSession(session, firstOf(session, files), machine, takenByTasks(files));
  switch (guard.kind) {
    case 'guarded':
      return undefined;
    case 'unknown':
      return disabled(title, texts.firstUnknown[guard.why]);
    case 'guard':
      try {
        return { title, kind: CodeActionKind.Refactor, edit: { documentChanges: changesOf(files, session, guard) } };
      } catch (error) {
        return disabled(title, toWireError(error).message);
      }
  }
}

function disabled(title: string, reason: string): CodeAction {
  return { title, kind: CodeActionKind.Refactor, disabled: { reason } };
}

/** @throws InvalidArgument when the file of the tasks holds no list of them */
function changesOf(
  { launch, tasks }: LaunchFiles,
  session: DebugSession,
  guard: SessionGuard,
): (TextDocumentEdit | CreateFile)[] {
  const edited = withPreLaunchTask(launch.text, session, guard.preLaunchTask);
  return tasks.uri === launch.uri
    ? [replaced(launch.uri, launch.text, withTasks({ text: edited, list: tasks.list }, guard.tasks))]
    : [
        ...(tasks.text === undefined
          ? [{ kind: 'create' as const, uri: tasks.uri, options: { ignoreIfExists: true } }]
          : []),
        replaced(
          tasks.uri,
          tasks.text ?? '',
          withTasks({ text: tasks.text ?? newTasksFile, list: tasks.list }, guard.tasks),
        ),
        replaced(launch.uri, launch.text, edited),
      ];
}

/** An edit of all of a text, in positions of LSP: lines, and UTF-16 code units in the last of them. */
function replaced(uri: string, text: string, newText: string): TextDocumentEdit {
  const lines = text.split(/\r\n|\r|\n/);
  const end = { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
  return {
    textDocument: { uri, version: null },
    edits: [{ range: { start: { line: 0, character: 0 }, end }, newText }],
  };
}
