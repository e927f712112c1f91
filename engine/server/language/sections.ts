/** Which parts of the editor's files hold tasks and debug sessions. */
import type { JSONPath } from 'jsonc-parser';

/** Where the list of tasks is in a file of this name; undefined in one that holds none. */
export function tasksListIn(uri: string): JSONPath | undefined {
  return uri.endsWith('/tasks.json') ? ['tasks'] : isWorkspace(uri) ? ['tasks', 'tasks'] : undefined;
}

/** Where `configurations` and `compounds` are in a file of this name; undefined in one that holds none. */
export function launchIn(uri: string): JSONPath | undefined {
  return uri.endsWith('/launch.json') ? [] : isWorkspace(uri) ? ['launch'] : undefined;
}

/** The file whose tasks the debug sessions of a file name: the one beside it, or itself. */
export function tasksFileBeside(uri: string): string {
  return uri.replace(/\/launch\.json$/, '/tasks.json');
}

function isWorkspace(uri: string): boolean {
  return uri.endsWith('.code-workspace');
}
