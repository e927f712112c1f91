import {
  CodeActionKind,
  CompletionItemKind,
  DiagnosticSeverity,
  DidChangeWatchedFilesNotification,
  MarkupKind,
  ResponseError,
  TextDocuments,
  TextDocumentSyncKind,
  type CodeAction,
  type CompletionItem,
  type Connection,
  type Diagnostic,
  type Hover,
  type Position,
  type Range,
  type ServerCapabilities,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { z } from 'zod';
import type { CheckpointService } from '../../checkpoints/checkpoint-service.ts';
import type { Log } from '../../checkpoints/engine-context.ts';
import { toWireError } from '../../model/checkpoint-error.ts';
import { isUnread } from '../../model/unread-machine.ts';
import type { CheckpointInfo, MachineInfo } from '../../protocol/machines.ts';
import { checkpointErrorRpcCode, type WireError } from '../../protocol/errors.ts';
import { guardTaskMethod, type GuardTaskParams, type GuardTaskResult } from '../../protocol/language.ts';
import {
  firstTaskText,
  guardSessionAction,
  impossibleTasks,
  takenByTasks,
  type LaunchFiles,
} from './launch-features.ts';
import { debugSessions, sessionAt, type DebugSession } from './launch-file.ts';
import { namedPlaces, type NamedPlace } from './named-machines.ts';
import { launchIn, tasksFileBeside, tasksListIn } from './sections.ts';
import { guardTask, taskAt } from './tasks-file.ts';
import { textOfFile } from './text-of-file.ts';
import { languageTexts, type LanguageTexts } from './texts.ts';

/** More machines than this are no choice to offer on a light bulb. */
const mostActions = 5;
const diagnosticDelayMs = 300;

export const languageCapabilities: ServerCapabilities = {
  textDocumentSync: TextDocumentSyncKind.Incremental,
  completionProvider: { triggerCharacters: ['"'] },
  hoverProvider: true,
  codeActionProvider: { codeActionKinds: [CodeActionKind.Refactor] },
};

const guardTaskParams: z.ZodType<GuardTaskParams> = z.object({
  text: z.string(),
  label: z.string().min(1),
  definition: z.record(z.string(), z.unknown()),
  checkpoint: z.object({
    machine: z.string().min(1),
    name: z.string().exactOptional(),
    memory: z.boolean().exactOptional(),
    keepLast: z.int().exactOptional(),
  }),
});

/** Where in a document a machine, a checkpoint, or a task before a debug session is named. */
interface Cursor {
  document: TextDocument;
  range: Range;
  place: NamedPlace | { kind: 'task'; session: DebugSession; files: LaunchFiles };
}

/**
 * Completion, hover, diagnostics and code actions where files of the editor name machines and checkpoints. Which files those
 * are, the client says.
 */
export class LanguageFeatures {
  readonly #connection: Connection;
  readonly #service: Pick<CheckpointService, 'list'>;
  readonly #log: Log;
  readonly #documents = new TextDocuments(TextDocument);
  #timer: NodeJS.Timeout | undefined;
  #texts: LanguageTexts = languageTexts(undefined);

  constructor(connection: Connection, service: Pick<CheckpointService, 'list'>, log: Log) {
    this.#connection = connection;
    this.#service = service;
    this.#log = log;
    this.#documents.onDidChangeContent(() => this.checkSoon());
    this.#documents.onDidClose(
      ({ document }) => void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] }),
    );
    connection.onDidChangeWatchedFiles(() => this.checkSoon());
    connection.onCompletion(async ({ textDocument, position }) => {
      const cursor = await this.#at(textDocument.uri, position);
      return cursor === undefined ? [] : this.#completions(cursor);
    });
    connection.onHover(async ({ textDocument, position }) => {
      const cursor = await this.#at(textDocument.uri, position);
      return cursor === undefined ? null : this.#hover(cursor);
    });
    connection.onCodeAction(({ textDocument, range }) => this.#actions(textDocument.uri, range));
    connection.onRequest<GuardTaskResult, WireError>(guardTaskMethod, (params: unknown) => {
      try {
        return guardTask(guardTaskParams.parse(params));
      } catch (error) {
        const wire = toWireError(error);
        return new ResponseError(checkpointErrorRpcCode, wire.message, wire);
      }
    });
    this.#documents.listen(connection);
  }

  /** @param locale as in LSP's `initialize` */
  speak(locale: string | undefined): void {
    this.#texts = languageTexts(locale);
  }

  /** Has the client tell of files with tasks that are not open and change. It has to be able to. */
  async watchTasks(): Promise<void> {
    await this.#connection.client.register(DidChangeWatchedFilesNotification.type, {
      watchers: [{ globPattern: '**/.vscode/tasks.json' }],
    });
  }

  /** Looks at all open documents again, because one changed, or machines did. */
  checkSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#check().catch((error: unknown) =>
        this.#log.error(`Files could not be checked: ${toWireError(error).message}`),
      );
    }, diagnosticDelayMs);
  }

  async #machines(): Promise<MachineInfo[]> {
    return (await this.#service.list()).hosts.flatMap(({ machines }) => machines);
  }

  async #check(): Promise<void> {
    const documents = this.#documents.all();
    if (documents.length === 0) {
      return;
    }
    const known = new Set((await this.#machines()).flatMap(({ id, name }) => [id, name]));
    for (const document of documents) {
      const named = namedPlaces(document.getText())
        .filter(({ kind, value }) => kind === 'machine' && !value.includes('${') && !known.has(value))
        .map((place) => ({ ...place, message: this.#texts.noMachine(place.value) }));
      const before = (await this.#impossibleTasks(document, known)).map((place) => ({
        ...place,
        message: this.#texts.noMachineOfTask(place.task, place.machine),
      }));
      const diagnostics = [...named, ...before].map((place): Diagnostic => ({
        range: rangeOf(document, place),
        severity: DiagnosticSeverity.Warning,
        source: 'VM Checkpoints',
        message: place.message,
      }));
      void this.#connection.sendDiagnostics({ uri: document.uri, diagnostics });
    }
  }

  async #impossibleTasks(
    document: TextDocument,
    known: ReadonlySet<string>,
  ): Promise<ReturnType<typeof impossibleTasks>> {
    const launch = launchIn(document.uri);
    return launch === undefined
      ? []
      : impossibleTasks(debugSessions(document.getText(), launch), await this.#launchFiles(document), known);
  }

  /** As they are in the editor, where they are open. */
  async #launchFiles(document: TextDocument): Promise<LaunchFiles> {
    const { uri } = document;
    const tasks = tasksFileBeside(uri);
    return {
      launch: { uri, text: document.getText() },
      tasks: {
        uri: tasks,
        text: this.#documents.get(tasks)?.getText() ?? (await textOfFile(tasks)),
        list: tasksListIn(tasks) ?? [],
      },
    };
  }

  async #at(uri: string, position: Position): Promise<Cursor | undefined> {
    const document = this.#documents.get(uri);
    if (document === undefined) {
      return undefined;
    }
    const cursor = document.offsetAt(position);
    const isAt = ({ offset, length }: { offset: number; length: number }): boolean =>
      offset < cursor && cursor < offset + length;
    const place = namedPlaces(document.getText()).find(isAt);
    if (place !== undefined) {
      return { document, range: rangeOf(document, place), place };
    }
    const launch = launchIn(uri);
    const session = launch && sessionAt(document.getText(), cursor, launch);
    const first = session?.preLaunchTask;
    return session === undefined || typeof first?.value !== 'string' || !isAt(first)
      ? undefined
      : {
          document,
          range: rangeOf(document, first),
          place: { kind: 'task', session, files: await this.#launchFiles(document) },
        };
  }

  async #completions({ place, range }: Cursor): Promise<CompletionItem[]> {
    const item = (name: string, detail: string, kind: CompletionItemKind): CompletionItem => {
      const newText = JSON.stringify(name);
      return { label: name, detail, kind, filterText: newText, textEdit: { range, newText } };
    };
    if (place.kind === 'task') {
      return [...takenByTasks(place.files)].map(([label, taken]) => {
        const description = this.#texts.checkpointOf([...new Set(taken.flatMap(({ machines }) => machines))]);
        // In sight at once: the editor may name the same tasks by itself, and not say what they do.
        return { ...item(label, description, CompletionItemKind.Event), labelDetails: { description } };
      });
    }
    const machines = await this.#machines();
    return place.kind === 'machine'
      ? machines.map(({ name, state, checkpoints }) =>
          item(
            name,
            `${this.#texts.state[state]}, ${this.#texts.checkpoints(checkpoints.length)}`,
            CompletionItemKind.Value,
          ),
        )
      : (machines.find(({ name }) => name === place.machine)?.checkpoints ?? []).map(({ name, created }) =>
          item(name, created, CompletionItemKind.Reference),
        );
  }

  async #hover({ place, range }: Cursor): Promise<Hover | null> {
    const value = this.#told(place, await this.#machines());
    // Names are anybody's: as plain text they are no Markdown.
    return value === undefined ? null : { range, contents: { kind: MarkupKind.PlainText, value } };
  }

  #told(place: Cursor['place'], machines: readonly MachineInfo[]): string | undefined {
    if (place.kind === 'task') {
      return firstTaskText(place.session, place.files, machines, this.#texts);
    }
    const machine = machines.find(({ id, name }) =>
      [id, name].includes(place.kind === 'machine' ? place.value : (place.machine ?? '')),
    );
    const named = machine?.checkpoints.filter(({ name }) => name === place.value) ?? [];
    return machine === undefined
      ? undefined
      : place.kind === 'machine'
        ? machineText(machine, this.#texts)
        : checkpointsText(named, this.#texts);
  }

  async #actions(uri: string, range: Range): Promise<CodeAction[]> {
    const document = this.#documents.get(uri);
    if (document === undefined) {
      return [];
    }
    const machines = (await this.#machines()).filter((machine) => !isUnread(machine)).slice(0, mostActions);
    const names = machines.map(({ name }) => name);
    const cursor = document.offsetAt(range.start);
    return [...this.#taskActions(document, cursor, names), ...(await this.#sessionActions(document, cursor, names))];
  }

  #taskActions(document: TextDocument, cursor: number, machines: readonly string[]): CodeAction[] {
    const text = document.getText();
    const list = tasksListIn(document.uri);
    const task = list && taskAt(text, cursor, list);
    if (task === undefined) {
      return [];
    }
    const whole = { start: document.positionAt(0), end: document.positionAt(text.length) };
    return machines.flatMap((machine) => {
      const answer = guardTask({ text, label: task.label, definition: {}, checkpoint: { machine } }, list);
      return answer.kind === 'guarded'
        ? []
        : [
            {
              title: machines.length === 1 ? this.#texts.addCheckpoint : this.#texts.addCheckpointOf(machine),
              kind: CodeActionKind.Refactor,
              edit: { changes: { [document.uri]: [{ range: whole, newText: answer.text }] } },
            },
          ];
    });
  }

  async #sessionActions(document: TextDocument, cursor: number, machines: readonly string[]): Promise<CodeAction[]> {
    const launch = launchIn(document.uri);
    const session = launch && sessionAt(document.getText(), cursor, launch);
    if (session === undefined) {
      return [];
    }
    const files = await this.#launchFiles(document);
    return machines.flatMap((machine) => {
      const title = machines.length === 1 ? this.#texts.addToSession : this.#texts.addToSessionOf(machine);
      return guardSessionAction(title, files, session, machine, this.#texts) ?? [];
    });
  }
}

function rangeOf(document: TextDocument, { offset, length }: { offset: number; length: number }): Range {
  return { start: document.positionAt(offset), end: document.positionAt(offset + length) };
}

function machineText(machine: MachineInfo, texts: LanguageTexts): string {
  const { checkpoints, now } = machine;
  const parent = checkpoints.find(({ id }) => id === now.parent);
  return [texts.machine(machine, checkpoints.length), ...(parent === undefined ? [] : [texts.grownFrom(parent)])].join(
    ' ',
  );
}

function checkpointsText(named: readonly CheckpointInfo[], texts: LanguageTexts): string | undefined {
  const last = named.at(-1);
  return last && texts.named(named.length, last);
}
