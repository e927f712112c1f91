import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * Opens a file for reading without ever waiting: a pipe that lies where a file is expected would otherwise hold the
 * engine until somebody writes to it.
 * @returns the open file, or undefined when what lies there is a folder, a device, a pipe or a socket
 */
export async function openRegularFile(file: string): Promise<FileHandle | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  let isRegular = false;
  try {
    isRegular = (await handle.stat()).isFile();
  } finally {
    if (!isRegular) {
      await handle.close();
    }
  }
  return isRegular ? handle : undefined;
}
