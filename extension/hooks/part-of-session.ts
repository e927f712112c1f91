/** Which starts of debug sessions are no new work of the user, but the further processes of a session that began before. */

/** What of a configuration tells whose session it is. As the editor hands it over: nothing of it is sure. */
export type StartedConfiguration = Readonly<Record<string, unknown>>;

/** What a debugger asked for while its session runs (request `startDebugging` of the Debug Adapter Protocol). */
export interface AskedSession {
  /** Of the session that asks; the new one has the same. */
  type: string;
  request: string;
  name: string;
}

export interface KnownSessions {
  /** Types of the sessions whose debuggers run. */
  runningTypes: readonly string[];
  asked: readonly AskedSession[];
  /** Names of all configurations in launch.json, workspace file and user settings. */
  configured: readonly string[];
}

/** JavaScript: a process of the session; Python: a subprocess of it. */
const childMembers = ['__pendingTargetId', 'subProcessId'];

/**
 * The editor does not say it while a configuration is resolved. Sure are the requests of debuggers and the members that
 * they add; of what extensions start for a running session, this is the rule: it attaches, and no launch.json names it.
 */
export function isPartOfSession(configuration: StartedConfiguration, known: KnownSessions): boolean {
  const { type, request, name } = configuration;
  if (childMembers.some((member) => configuration[member] !== undefined)) {
    return true;
  }
  if (typeof type !== 'string') {
    return false;
  }
  const isSameType = (other: string): boolean => plainType(other) === plainType(type);
  return (
    known.asked.some((one) => isSameType(one.type) && one.request === request && one.name === name) ||
    (request === 'attach' &&
      known.runningTypes.some(isSameType) &&
      !known.configured.some((configured) => configured === name))
  );
}

/** The debugger for JavaScript renames its types while a configuration is resolved: node → pwa-node. */
export function plainType(type: string): string {
  return type.replace(/^pwa-/, '');
}

/**
 * The session that a message of a debugger asks for.
 * @param session whose debugger says it
 * @returns undefined for every other message
 */
export function askedSession(
  message: unknown,
  session: { type: string; name: string },
): (AskedSession & { seq: number }) | undefined {
  if (!isRecord(message) || message['type'] !== 'request' || message['command'] !== 'startDebugging') {
    return undefined;
  }
  const { seq, arguments: given } = message;
  if (typeof seq !== 'number' || !isRecord(given) || typeof given['request'] !== 'string') {
    return undefined;
  }
  const { configuration, request } = given;
  const name = isRecord(configuration) ? configuration['name'] : undefined;
  // Without a name the editor gives it that of the session that asks.
  return { seq, type: session.type, request, name: typeof name === 'string' && name !== '' ? name : session.name };
}

/** The number of the request that a message of the editor answers; undefined for every other message. */
export function answeredStart(message: unknown): number | undefined {
  return isRecord(message) &&
    message['type'] === 'response' &&
    message['command'] === 'startDebugging' &&
    typeof message['request_seq'] === 'number'
    ? message['request_seq']
    : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
