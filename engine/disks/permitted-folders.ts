import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { openDiskFile, openUnlessLink, type DiskFile, type LayerAccess } from './disk-file.ts';

/** The folders that the files of one chain may lie in: the top image's own, and those that the caller allowed. */
export class PermittedFolders {
  readonly #folders: readonly string[];
  /** Where folders are, all links followed, by their names in paths. Kept for the files of this chain. */
  readonly #places = new Map<string, Promise<string>>();

  private constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  static async of(image: string, allowed: readonly string[] = []): Promise<PermittedFolders> {
    const asNamed = [path.dirname(path.resolve(image)), ...allowed.map((folder) => path.resolve(folder))];
    const [ofTarget, ...resolved] = await Promise.all([
      // A link to the image may lie elsewhere than the image and its parents.
      realpath(image).then(
        (file) => [path.dirname(file)],
        () => [],
      ),
      ...asNamed.map((folder) => realpath(folder).catch(() => folder)),
    ]);
    return new PermittedFolders([...asNamed, ...resolved, ...ofTarget]);
  }

  /**
   * Opens what a path that an image names leads to, all links followed.
   * @param accept sees the path without links before it is opened, and may throw
   * @returns undefined when nothing is there; otherwise a file that calls itself by the path without links
   * @throws ParentNotAllowed, without a look at the place: on Windows a look at a network path already gives the user's
   *   credentials away; and what {@link openDiskFile} throws
   */
  async open(
    named: string,
    image: string,
    access: LayerAccess,
    accept?: (file: string) => void,
  ): Promise<DiskFile | undefined> {
    const asNamed = path.resolve(path.dirname(image), named);
    this.#require(asNamed, image);
    try {
      // Hardly ever is a parent a link: so it is opened first, and looked at more closely only then.
      const direct = path.join(await this.#place(path.dirname(asNamed)), path.basename(asNamed));
      this.#require(direct, image);
      accept?.(direct);
      const file = await openUnlessLink(direct, access);
      if (file !== undefined) {
        return file;
      }
      const found = await realpath(asNamed);
      this.#require(found, image);
      accept?.(found);
      return await openDiskFile(found, access);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(systemCode(error) ?? '')) {
        return undefined;
      }
      throw error;
    }
  }

  #place(folder: string): Promise<string> {
    let place = this.#places.get(folder);
    if (place === undefined) {
      place = realpath(folder);
      this.#places.set(folder, place);
    }
    return place;
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
