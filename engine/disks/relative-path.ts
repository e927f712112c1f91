import { realpath } from 'node:fs/promises';
import path from 'node:path';

/** A parent's path as a child keeps it: from the child's folder, links followed, with forward slashes. */
export async function relativePath(child: string, parent: string): Promise<string> {
  const folder = await place(path.dirname(path.resolve(child)));
  return unmistakable(path.relative(folder, await place(parent)).replaceAll(path.sep, '/'));
}

/** A relative path that nobody takes for a protocol's address, as QEMU takes what stands before a colon (`nbd:…`). */
export function unmistakable(relative: string): string {
  return /^[^/]*:/.test(relative) && !path.isAbsolute(relative) ? `./${relative}` : relative;
}

function place(file: string): Promise<string> {
  return realpath(file).catch(() => path.resolve(file));
}
