import { constants } from 'node:os';
import { libc } from './libc.ts';

/** lseek(2)'s ways to find data and holes; the numbers are the other way round on macOS (`sys/unistd.h`). */
const whence: Partial<Record<NodeJS.Platform, { data: number; hole: number }>> = {
  linux: { data: 3, hole: 4 },
  darwin: { data: 4, hole: 3 },
};

/**
 * The first range from an offset on that the file system stores, in bytes. Undefined when only a hole follows. The whole
 * function is undefined where it is not to be had: then a file counts as stored from start to end. The file's position,
 * which it moves, is used by nobody: all reads and writes name their offset.
 */
export const seekData: ((fd: number, offset: number, sizeBytes: number) => Range | undefined) | undefined = load();

interface Range {
  offset: number;
  length: number;
}

function load(): typeof seekData {
  const platform = whence[process.platform];
  const library = libc;
  if (platform === undefined || library === undefined) {
    return undefined;
  }
  const lseek = library.func<[fd: number, offset: number, whence: number]>(
    'int64_t lseek(int fd, int64_t offset, int whence)',
  );
  return (fd, offset, sizeBytes) => {
    const start = lseek(fd, offset, platform.data);
    if (start < 0) {
      // ENXIO: no data from there on. Anything else: this file system cannot tell.
      return library.errno() === constants.errno.ENXIO ? undefined : { offset, length: sizeBytes - offset };
    }
    const end = lseek(fd, start, platform.hole);
    return { offset: start, length: (end > start ? Math.min(end, sizeBytes) : sizeBytes) - start };
  };
}
