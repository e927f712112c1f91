import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { projectFolder } from './project.ts';

const unpack = promisify(gunzip);

/** Disk images that other programs made, each gzipped; they lie beside the checkout, not in it. */
const imagesFolder = path.join(projectFolder, '../shared/images');

/** Why tests with these images are skipped here; false when they are not. */
export const withoutSharedImages: string | false =
  !existsSync(imagesFolder) && `the images of other programs do not lie beside the checkout (${imagesFolder})`;

/** Unpacks one into a folder. @returns its path there */
export async function unpackSharedImage(name: string, folder: string): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, await unpack(await readFile(path.join(imagesFolder, `${name}.gz`))));
  return file;
}
