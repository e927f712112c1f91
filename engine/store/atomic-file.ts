import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { openRegularFile } from '../disks/regular-file.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';

/** Largest record that is read; anything longer was not written by us. */
const largestRecordBytes = 4 * 1024 * 1024;

/**
 * Replaces a file so that any reader, and any crash, sees either the old content or the new, whole.
 * @param durability `in passing`: the new content may be lost when the power fails, for what can be found out again
 */
export async function writeFileAtomically(
  file: string,
  content: string,
  durability: 'durable' | 'in passing' = 'durable',
): Promise<void> {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.new`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      if (durability === 'durable') {
        await handle.sync();
      }
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (durability === 'durable') {
    await syncFolder(path.dirname(file));
  }
}

/** Makes the names in a folder durable. Windows has no such call and needs none: NTFS logs its metadata. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return;
  }
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function writeRecord(file: string, record: object): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Reads a JSON file and believes it only after its schema did.
 * @returns undefined when there is no such file.
 * @throws MachineDamaged when it is there and cannot be believed.
 */
export async function readRecord<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S> | undefined> {
  let text: string;
  try {
    const handle = await openRegularFile(file);
    if (handle === undefined) {
      throw damaged(file, 'it is not a regular file');
    }
    try {
      const { size } = await handle.stat();
      if (size > largestRecordBytes) {
        throw damaged(file, `it is ${size} bytes long`);
      }
      text = await readFile(handle, 'utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      return undefined;
    }
    if (systemCode(error) === 'ELOOP') {
      throw damaged(file, 'it is a link that leads nowhere');
    }
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(file, 'it is not JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue === undefined ? '' : issue.path.join('.');
    throw damaged(file, `the field “${field}” is not as expected: ${issue?.message ?? 'unknown'}`);
  }
  return parsed.data;
}

function damaged(file: string, why: string): CheckpointError {
  return new CheckpointError(
    'MachineDamaged',
    `The file ${file} cannot be believed: ${why}. Restore it from a backup, or move the machine's folder away. Nothing was changed.`,
    { path: file, problem: why },
  );
}
