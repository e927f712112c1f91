import { readdir, readFile, stat } from 'node:fs/promises';
import { systemCode } from '../../model/checkpoint-error.ts';

/** A program that has a file open. */
export interface FileUser {
  pid: number;
  name: string;
}

/**
 * Finds a program that has one of some files open for writing, or for reading, other than this one (proc(5), `fd`).
 * Sees the processes of this user; root sees all.
 * @returns undefined when there is none, or the system does not tell
 */
export async function userOf(files: readonly string[]): Promise<FileUser | undefined> {
  if (process.platform !== 'linux') {
    return undefined;
  }
  const wanted = new Set<string>();
  for (const file of files) {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (found !== undefined) {
      wanted.add(`${found.dev}:${found.ino}`);
    }
  }
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const users = await Promise.all(processes.map((pid) => usesOne(pid, wanted)));
  return users.find((user) => user !== undefined);
}

async function usesOne(pid: string, wanted: ReadonlySet<string>): Promise<FileUser | undefined> {
  const folder = `/proc/${pid}/fd`;
  let descriptors: string[];
  try {
    descriptors = await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) {
      return undefined;
    }
    throw error;
  }
  for (const descriptor of descriptors) {
    const found = await stat(`${folder}/${descriptor}`, { bigint: true }).catch(() => undefined);
    if (found?.isFile() === true && wanted.has(`${found.dev}:${found.ino}`)) {
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a program');
      return { pid: Number(pid), name: name.trim() };
    }
  }
  return undefined;
}
