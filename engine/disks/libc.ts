/** A function of the C library, called on this thread, or on another one with the result handed to `done`. */
export interface LibcFunction<Arguments extends unknown[]> {
  (...values: Arguments): number;
  async(...values: [...Arguments, done: (error: unknown, result: number) => void]): void;
}

interface Koffi {
  load(path: null): Libc;
  /** Declares a C structure, by whose name prototypes may call it from then on. */
  struct(name: string, members: Readonly<Record<string, string>>): unknown;
  /** Of the last call on this thread. */
  errno(): number;
  /** Where a buffer's bytes begin in memory; they stay there as long as somebody knows of the buffer. */
  address(buffer: Buffer): bigint;
}

export interface Libc {
  func<Arguments extends unknown[]>(prototype: string): LibcFunction<Arguments>;
}

/** The system's own C library. Undefined where it is not to be had, or `off_t` is not 64 bits wide: then there are plainer ways. */
export const libc: (Pick<Koffi, 'struct' | 'errno' | 'address'> & Libc) | undefined = load();

function load(): typeof libc {
  if (!['linux', 'darwin'].includes(process.platform) || !['x64', 'arm64'].includes(process.arch)) {
    return undefined;
  }
  try {
    // Loaded here and not imported, so that a platform without a binary still has an engine.
    // eslint-disable-next-line @typescript-eslint/no-require-imports, @typescript-eslint/no-unsafe-assignment -- so it says what it needs
    const koffi: Koffi = require('koffi');
    const library = koffi.load(null);
    return {
      func: (prototype) => library.func(prototype),
      struct: (name, members) => koffi.struct(name, members),
      errno: () => koffi.errno(),
      address: (buffer) => koffi.address(buffer),
    };
  } catch {
    return undefined;
  }
}

/**
 * A call that only Linux has.
 * @param prototype of the function, in C
 * @returns undefined elsewhere, and where the C library is older than the call
 */
export function linuxCall<Arguments extends unknown[]>(prototype: string): LibcFunction<Arguments> | undefined {
  if (process.platform !== 'linux') {
    return undefined;
  }
  try {
    return libc?.func<Arguments>(prototype);
  } catch {
    return undefined;
  }
}
