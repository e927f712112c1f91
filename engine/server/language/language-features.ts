import {
  CodeActionKind,
  CompletionItemKind,
  DiagnosticSeverity,
  MarkupKind,
  ResponseError,
  TextDocuments,
  TextDocumentSyncKind,
  type CodeAction,
  type CompletionItem,
  type Connection,
  type Diagnostic,
  type Hover,
  type Range,
  type ServerCapabilities,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { z } from 'zod';
import type { CheckpointService } from '../../checkpoints/checkpoint-service.ts';
import type { Log } from '../../checkpoints/engine-context.ts';
import { toWireError } from '../../model/checkpoint-error.ts';
import type { CheckpointInfo, MachineInfo } from '../../protocol/machines.ts';
import { checkpointErrorRpcCode, type WireError } from '../../protocol/errors.ts';
import { guardTaskMethod, type GuardTaskParams, type GuardTaskResult } from '../../protocol/language.ts';
import { namedPlaces, type NamedPlace } from './named-machines.ts';
import { guardTask, taskAt } from './tasks-file.ts';
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
    connection.onCompletion(({ textDocument, position }) =>
      this.#at(textDocument.uri, position, [], (place, range) => this.#completions(place, range)),
    );
    connection.onHover(({ textDocument, position }) =>
      this.#at(textDocument.uri, position, null, (place, range) => this.#hover(place, range)),
    );
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
      const diagnostics = namedPlaces(document.getText())
        .filter(({ kind, value }) => kind === 'machine' && !value.includes('${') && !known.has(value))
        .map((place): Diagnostic => ({
          range: rangeOf(document, place),
          severity: DiagnosticSeverity.Warning,
          source: 'VM Checkpoints',
          message: this.#texts.noMachine(place.value),
        }));
      void this.#connection.sendDiagnostics({ uri: document.uri, diagnostics });
    }
  }

  async #at<T>(
    uri: string,
    position: Range['start'],
    none: T,
    answer: (place: NamedPlace, range: Range) => Promise<T>,
  ): Promise<T> {
    const document = this.#documents.get(uri);
    if (document === undefined) {
      return none;
    }
    const offset = document.offsetAt(position);
    const place = namedPlaces(document.getText()).find(
      (one) => one.offset < offset && offset < one.offset + one.length,
    );
    return place === undefined ? none : answer(place, rangeOf(document, place));
  }

  async #completions(place: NamedPlace, range: Range): Promise<CompletionItem[]> {
    const machines = await this.#machines();
    const item = (name: string, detail: string, kind: CompletionItemKind): CompletionItem => {
      const newText = JSON.stringify(name);
      return { label: name, detail, kind, filterText: newText, textEdit: { range, newText } };
    };
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

  async #hover(place: NamedPlace, range: Range): Promise<Hover | null> {
    const machine = (await this.#machines()).find(({ id, name }) =>
      [id, name].includes(place.kind === 'machine' ? place.value : (place.machine ?? '')),
    );
    const named = machine?.checkpoints.filter(({ name }) => name === place.value) ?? [];
    const value =
      machine === undefined
        ? undefined
        : place.kind === 'machine'
          ? machineText(machine, this.#texts)
          : checkpointsText(named, this.#texts);
    // Names are anybody's: as plain text they are no Markdown.
    return value === undefined ? null : { range, contents: { kind: MarkupKind.PlainText, value } };
  }

  async #actions(uri: string, range: Range): Promise<CodeAction[]> {
    const document = this.#documents.get(uri);
    const text = document?.getText() ?? '';
    const task = document && uri.endsWith('tasks.json') ? taskAt(text, document.offsetAt(range.start)) : undefined;
    if (document === undefined || task === undefined) {
      return [];
    }
    const machines = (await this.#machines()).filter(({ state }) => state !== 'damaged').slice(0, mostActions);
    const whole = { start: document.positionAt(0), end: document.positionAt(text.length) };
    return machines.flatMap(({ name }) => {
      const answer = guardTask({ text, label: task.label, definition: {}, checkpoint: { machine: name } });
      return answer.kind === 'guarded'
        ? []
        : [
            {
              title: machines.length === 1 ? this.#texts.addCheckpoint : this.#texts.addCheckpointOf(name),
              kind: CodeActionKind.Refactor,
              edit: { changes: { [uri]: [{ range: whole, newText: answer.text }] } },
            },
          ];
    });
  }
}

function rangeOf(document: TextDocument, { offset, length }: NamedPlace): Range {
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
