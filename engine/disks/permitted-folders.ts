import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';

/** The folders that the files of one chain may lie in: the top image's own, and those that the caller allowed. */
export class PermittedFolders {
  readonly #folders: readonly string[];

  private constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  static async of(image: string, allowed: readonly string[] = []): Promise<PermittedFolders> {
    const asNamed = [path.dirname(path.resolve(image)), ...allowed.map((folder) => path.resolve(folder))];
    const resolved = await Promise.all(asNamed.map((folder) => realpath(folder).catch(() => folder)));
    // A link to the image may lie elsewhere than the image and its parents.
    const ofTarget = await realpath(image).then(
      (file) => path.dirname(file),
      () => undefined,
    );
    return new PermittedFolders([...asNamed, ...resolved, ...(ofTarget === undefined ? [] : [ofTarget])]);
  }

  /**
   * Where a path that an image names leads to, all links followed.
   * @returns undefined when nothing is there
   * @throws ParentNotAllowed, without a look at the place: on Windows a look at a network path already gives the user's
   *   credentials away
   */
  async follow(named: string, image: string): Promise<string | undefined> {
    const asNamed = path.resolve(path.dirname(image), named);
    this.#require(asNamed, image);
    let found: string;
    try {
      found = await realpath(asNamed);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(systemCode(error) ?? '')) {
        return undefined;
      }
      throw error;
    }
    this.#require(found, image);
    return found;
  }

  #require(file: string, image: string): void {
    const isInside = this.#folders.some((folder) => {
      const way = path.relative(folder, file);
      return way !== '' && way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
    });
    if (!isInside) {
      throw new CheckpointError(
        'ParentNotAllowed',
        `The disk ${image} names a file outside its folder: ${file}. Nobody allowed that, so it is not opened. ` +
          'If you trust it, allow its folder (--allow-parents).',
        { path: image, found: file },
      );
    }
  }
}
