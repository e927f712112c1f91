import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What people write by hand is smaller. */
const mostBytes = 1024 * 1024;

/** The text of a file that is not open in the editor; undefined when it cannot be read here. */
export async function textOfFile(uri: string): Promise<string | undefined> {
  if (!uri.startsWith('file:')) {
    return undefined;
  }
  try {
    const file = fileURLToPath(uri);
    return (await stat(file)).size > mostBytes ? undefined : await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}
