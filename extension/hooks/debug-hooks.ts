/**
 * Hooks of debug sessions: one that a hook fits starts only when its checkpoint was taken.
 *
 * The editor resolves a configuration in this order: the providers of its type, then those of `*`, and both again when the
 * type has become another one; then its variables are substituted, with questions to the user; then the `preLaunchTask`
 * runs; then the same providers see the configuration with its variables substituted. The checkpoint is taken in the first
 * of these, before the task. What fits a hook only at the end, as its type changed on the way, gets it there; never both.
 *
 * What the editor does not ask for: the `preLaunchTask` of a compound runs before any of its sessions is resolved, and a
 * restart resolves nothing, unless launch.json has changed; its checkpoint is the one that the session started with. A
 * session that is given up after its checkpoint (a question cancelled, a task that fails) leaves it: what ran meanwhile may
 * have changed the machine.
 */
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../context.ts';
import { checkpointNameFrom } from '../naming/names.ts';
import { startedWith } from './compounds.ts';
import { hookOfDebug, type Hook } from './hook.ts';
import { hooksHere } from './hook-settings.ts';
import { launchConfigurations } from './launch-configurations.ts';
import { isPartOfSession } from './part-of-session.ts';
import { RunningSessions } from './running-sessions.ts';
import { SharedTakes } from './shared-takes.ts';
import { takeBefore } from './take-before.ts';
import { tasksAfterCheckpoint } from './tasks-after-checkpoint.ts';

/** Member of a configuration that was looked at; it never gets to the debugger. */
const seenMember = '__vmCheckpoints';

export function registerDebugHooks(context: CheckpointsContext): vscode.Disposable {
  const running = new RunningSessions();
  return vscode.Disposable.from(
    running.register(),
    vscode.debug.registerDebugConfigurationProvider('*', new DebugHooks(context, running)),
  );
}

class DebugHooks implements vscode.DebugConfigurationProvider {
  readonly #context: CheckpointsContext;
  readonly #running: RunningSessions;
  readonly #takes = new SharedTakes<CheckpointInfo>();
  /** Marks of configurations that were looked at and whose variables are not substituted yet. */
  readonly #seen = new Set<string>();
  /** The last of them for each session, by folder and name: another provider may have lost the mark. */
  readonly #lastSeen = new Map<string, string>();

  constructor(context: CheckpointsContext, running: RunningSessions) {
    this.#context = context;
    this.#running = running;
  }

  /** @returns undefined to end the start of the session; the reason was told */
  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    if (this.#seen.has(String(configuration[seenMember]))) {
      return configuration;
    }
    const place = placeOf(folder, configuration);
    this.#lastSeen.delete(place);
    const isPart = this.#isPart(configuration);
    const hook = isPart ? undefined : this.#hookOf(configuration);
    if (!isPart && hook === undefined) {
      return configuration;
    }
    if (hook !== undefined) {
      if ((await this.#take(hook, configuration)) === undefined) {
        return undefined;
      }
      tasksAfterCheckpoint.expect(configuration['preLaunchTask'], hook.machine);
    }
    const mark = randomUUID();
    this.#seen.add(mark);
    this.#lastSeen.set(place, mark);
    return { ...configuration, [seenMember]: mark };
  }

  /** @returns as above */
  async resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const mark: unknown = given[seenMember];
    const configuration = { ...given };
    Reflect.deleteProperty(configuration, seenMember);
    const place = placeOf(folder, configuration);
    const seen = [mark, this.#lastSeen.get(place)].find((one) => typeof one === 'string' && this.#seen.delete(one));
    this.#lastSeen.delete(place);
    if (seen !== undefined || this.#isPart(configuration)) {
      return configuration;
    }
    const hook = this.#hookOf(configuration);
    return hook === undefined || (await this.#take(hook, configuration)) !== undefined ? configuration : undefined;
  }

  #isPart(configuration: vscode.DebugConfiguration): boolean {
    const { types, asked } = this.#running;
    return isPartOfSession(configuration, {
      runningTypes: types,
      asked,
      configured: types.length === 0 ? [] : launchConfigurations().configured,
    });
  }

  #hookOf({ type }: { type: unknown }): Hook | undefined {
    // Without launch.json it has none until its debugger has said which; without any nothing starts.
    return typeof type === 'string' ? hookOfDebug(hooksHere(this.#context.log), type) : undefined;
  }

  #take(hook: Hook, given: { name: unknown; type: string }): Promise<CheckpointInfo | undefined> {
    const { machine, name: checkpoint, memory, keepLast } = hook;
    const name = typeof given.name === 'string' ? given.name : given.type;
    const starting = { name, startedWith: startedWith(name, launchConfigurations().compounds) };
    return this.#takes.take(JSON.stringify([machine, checkpoint, memory, keepLast]), starting, (sessions) =>
      takeBefore(this.#context, hook, {
        defaultName: checkpointNameFrom(vscode.l10n.t('before debugging {0}', name)),
        createdBy: 'debug',
        title: vscode.l10n.t('Taking a checkpoint of “{0}” before debugging…', machine),
        explain: (sentence) => notDebugged(sessions, sentence),
      }),
    );
  }
}

function notDebugged(sessions: readonly string[], sentence: string): string {
  const [first = '', ...others] = sessions;
  return others.length === 0
    ? vscode.l10n.t('“{0}” is not debugged, because no checkpoint was taken. {1}', first, sentence)
    : vscode.l10n.t(
        'These are not debugged, because no checkpoint was taken: {0}. {1}',
        sessions.map((name) => `“${name}”`).join(', '),
        sentence,
      );
}

function placeOf(folder: vscode.WorkspaceFolder | undefined, { name }: { name: string }): string {
  return JSON.stringify([folder?.uri.toString(), name]);
}
