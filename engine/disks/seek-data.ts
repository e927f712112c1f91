import { constants } from 'node:os';

/** lseek(2)'s ways to find data and holes; the numbers are the other way round on macOS (`sys/unistd.h`). */
const whence: Partial<Record<NodeJS.Platform, { data: number; hole: number }>> = {
  linux: { data: 3, hole: 4 },
  darwin: { data: 4, hole: 3 },
};

interface Koffi {
  load(path: null): { func(prototype: string): (fd: number, offset: number, whence: number) => number };
  errno(): number;
}

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
  // off_t is 64 bits wide on these only.
  if (platform === undefined || !['x64', 'arm64'].includes(process.arch)) {
    return undefined;
  }
  try {
    // Loaded here and not imported, so that a platform without a binary still has an engine.
    // eslint-disable-next-line @typescript-eslint/no-require-imports, @typescript-eslint/no-unsafe-assignment -- so it says what it needs
    const koffi: Koffi = require('koffi');
    const lseek = koffi.load(null).func('int64_t lseek(int fd, int64_t offset, int whence)');
    return (fd, offset, sizeBytes) => {
      const start = lseek(fd, offset, platform.data);
      if (start < 0) {
        // ENXIO: no data from there on. Anything else: this file system cannot tell.
        return koffi.errno() === constants.errno.ENXIO ? undefined : { offset, length: sizeBytes - offset };
      }
      const end = lseek(fd, start, platform.hole);
      return { offset: start, length: (end > start ? Math.min(end, sizeBytes) : sizeBytes) - start };
    };
  } catch {
    return undefined;
  }
}
