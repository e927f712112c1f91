import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
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
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  for (const pid of processes) {
    const user = usesOne(pid, wanted);
    if (user !== undefined) {
      return user;
    }
  }
  return undefined;
}

/** At once: all of this is in the kernel's memory, and thousands of descriptors would each cost turns of a thread. */
function usesOne(pid: string, wanted: ReadonlySet<string>): FileUser | undefined {
  const folder = `/proc/${pid}/fd`;
  let descriptors: string[];
  try {
    descriptors = readdirSync(folder);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) {
      return undefined;
    }
    throw error;
  }
  for (const descriptor of descriptors) {
    const link = `${folder}/${descriptor}`;
    if (mayBeFile(link)) {
      const found = orUndefined(() => statSync(link, { bigint: true }));
      if (found?.isFile() === true && wanted.has(`${found.dev}:${found.ino}`)) {
        const name = orUndefined(() => readFileSync(`/proc/${pid}/comm`, 'utf8')) ?? 'a program';
        return { pid: Number(pid), name: name.trim() };
      }
    }
  }
  return undefined;
}

/** Sockets, pipes and the like have no path: most descriptors are such, and to look further at them costs the most. */
function mayBeFile(link: string): boolean {
  const target = orUndefined(() => readlinkSync(link));
  return target?.startsWith('/') === true && !target.startsWith('/dev/');
}

/** The process may end, or close the file, at any moment. */
function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
