import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';

const notedInPassing = new Set(['lock', 'running-time.json', 'due.json', 'history.jsonl']);

/**
 * Every machine and image of a home: each path with its kind, mode and content, to be compared with later. Left out is
 * what changes none of them: the log, what was found out about this computer, what looks note, and the locks' files.
 */
export async function homeContent(home: string): Promise<Record<string, string>> {
  // With its types, the list does not follow links into folders.
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  const names = entries.map((entry) => path.relative(home, path.join(entry.parentPath, entry.name)));
  const content: Record<string, string> = {};
  for (const name of names.sort()) {
    if (!/^(?:logs|cache)(?:\/|$)|^probes\.json$/.test(name) && !notedInPassing.has(path.basename(name))) {
      content[name] = await describe(path.join(home, name));
    }
  }
  return content;
}

async function describe(file: string): Promise<string> {
  const found = await lstat(file);
  const mode = (found.mode & 0o7777).toString(8);
  if (found.isSymbolicLink()) {
    return `link to ${await readlink(file)}`;
  }
  if (found.isDirectory()) {
    return `folder ${mode}`;
  }
  if (!found.isFile()) {
    return `special ${mode}`;
  }
  const hash = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return `file ${mode} ${hash}`;
}
