/** What the engine last said about hosts and machines, kept up to date by what it announces. */
import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import type { HostInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { Saying } from '../../engine/protocol/sentences.ts';
import type { Engine } from '../engine/engine.ts';
import { EngineError } from '../engine/engine-error.ts';
import { sayingsInWords } from '../engine/saying-in-words.ts';
import type { RefreshScope } from './refresh-queue.ts';
import { RefreshQueue } from './refresh-queue.ts';

export interface MachineListChange {
  /** Machines whose content changed, and no more than that; absent when hosts changed, or machines came or went. */
  machines?: readonly MachineInfo[];
}

/** The engine gathers what belongs together. */
const restMs = 100;

export class MachineList implements vscode.Disposable {
  readonly #engine: Engine;
  readonly #log: vscode.LogOutputChannel;
  readonly #change = new vscode.EventEmitter<MachineListChange>();
  readonly #queue = new RefreshQueue(restMs, (scope) => this.#refresh(scope));
  readonly #listeners: vscode.Disposable;
  #hosts: readonly HostInfo[] | undefined;

  readonly onDidChange = this.#change.event;

  constructor(engine: Engine, log: vscode.LogOutputChannel) {
    this.#engine = engine;
    this.#log = log;
    let wasRunning = false;
    this.#listeners = vscode.Disposable.from(
      engine.onDidChangeMachines(({ machines }) => this.#queue.add(machines === undefined ? 'all' : new Set(machines))),
      engine.onDidChangeState(({ kind }) => {
        const runs = kind === 'ready' || kind === 'working';
        if (runs && !wasRunning) {
          this.#queue.add('all');
        }
        wasRunning = runs;
      }),
    );
  }

  /** Absent until the engine has answered for the first time. */
  get hosts(): readonly HostInfo[] | undefined {
    return this.#hosts;
  }

  get machines(): readonly MachineInfo[] {
    return (this.#hosts ?? []).flatMap((host) => host.machines);
  }

  /** Finds a machine by id or name. */
  find(reference: string): MachineInfo | undefined {
    return this.machines.find(({ id }) => id === reference) ?? this.machines.find(({ name }) => name === reference);
  }

  /** Asks for everything at once; an error is the caller's to show. */
  async reload(): Promise<void> {
    const { hosts: told } = await this.#engine.request('list', {});
    const hosts = told.map((host) => ({ ...forEditor(host), machines: host.machines.map(forEditor) }));
    const before = this.#hosts;
    this.#hosts = hosts;
    if (before === undefined || !isDeepStrictEqual(before.map(outline), hosts.map(outline))) {
      this.#change.fire({});
      return;
    }
    const known = new Map(before.flatMap((host) => host.machines).map((machine) => [machine.id, machine]));
    this.#fireChanged(this.machines.filter((machine) => !isDeepStrictEqual(known.get(machine.id), machine)));
  }

  /** Asks for everything again, soon, and shows no error. */
  reloadSoon(): void {
    this.#queue.add('all');
  }

  /** Asks for some machines again, soon. @param names of machines */
  refreshSoon(names: ReadonlySet<string>): void {
    if (names.size > 0) {
      this.#queue.add(new Set(names));
    }
  }

  /** Takes in what an operation answered with, before the engine announces it. */
  put(told: MachineInfo): void {
    const machine = forEditor(told);
    const known = this.find(machine.id);
    if (known === undefined || known.name !== machine.name || this.#hosts === undefined) {
      this.#queue.add('all');
      return;
    }
    this.#hosts = this.#hosts.map((host) => ({
      ...host,
      machines: host.machines.map((other) => (other.id === machine.id ? machine : other)),
    }));
    this.#fireChanged(isDeepStrictEqual(known, machine) ? [] : [machine]);
  }

  dispose(): void {
    this.#listeners.dispose();
    this.#queue.dispose();
    this.#change.dispose();
  }

  /** Never rejects: what the engine says by itself needs no answer from the user, and a lost engine is reported elsewhere. */
  async #refresh(scope: RefreshScope): Promise<void> {
    try {
      const known = scope === 'all' ? [] : [...scope].map((name) => this.find(name));
      if (scope === 'all' || known.includes(undefined)) {
        await this.reload();
        return;
      }
      for (const machine of known) {
        if (machine !== undefined) {
          this.put((await this.#engine.request('show', { machine: machine.name })).machine);
        }
      }
    } catch (error) {
      if (error instanceof EngineError && error.code === 'MachineNotFound' && scope !== 'all') {
        this.#queue.add('all');
        return;
      }
      this.#log.error('The list of machines could not be refreshed', error);
    }
  }

  #fireChanged(machines: readonly MachineInfo[]): void {
    if (machines.length > 0) {
      this.#change.fire({ machines });
    }
  }
}

/** In the language of the window. */
function forEditor<T extends { problem?: string; problemSentences?: Saying[] }>(told: T): T {
  return told.problem === undefined
    ? told
    : { ...told, problem: sayingsInWords(told.problemSentences, told.problem, vscode.l10n) };
}

/** Of a host, what the tree shows beside the content of its machines. */
function outline({ machines, ...host }: HostInfo): object {
  return { ...host, machines: machines.map(({ id, name }) => ({ id, name })) };
}
