import { realpath } from 'node:fs/promises';
import path from 'node:path';

/** A parent's path as a child keeps it: from the child's folder, links followed, with forward slashes. */
export async function relativePath(child: string, parent: string): Promise<string> {
  const folder = await place(path.dirname(path.resolve(child)));
  return path.relative(folder, await place(parent)).replaceAll(path.sep, '/');
}

function place(file: string): Promise<string> {
  return realpath(file).catch(() => path.resolve(file));
}
