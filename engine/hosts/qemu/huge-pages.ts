import { open, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { libc } from '../../disks/libc.ts';
import { guestAreas, type MemoryRange } from './memory-areas.ts';

const pageBytes = 4096;
const pagesOfHugePage = 512;
const hugePageBytes = pagesOfHugePage * pageBytes;
/** One entry of pagemap(5) for each page. */
const entryBytes = 8;
const windowBytes = 256 * 1024 * 1024;
/** Less in small pages is not worth looking for. */
const worthwhileBytes = 16 * 1024 * 1024;
/** With fewer pages of its own in a range, the guest would take clearly more memory than before. */
const leastOwnPages = 480;
/** pagemap(5): bit 63, present, and bit 56, mapped by this process alone; the page of zeros that all share is not. */
const [presentBit, ownBit] = [0x80, 0x01];
/** madvise(2): `MADV_COLLAPSE`, Linux 6.1. */
const collapse = 25;
const refusals = [constants.errno.EPERM, constants.errno.EINVAL, constants.errno.ENOSYS];

interface RemoteVector {
  iov_base: number;
  iov_len: number;
}

interface Calls {
  openProcess: (pid: number) => number;
  /** @returns whether it may be asked for at all */
  probe: (descriptor: number, range: MemoryRange) => boolean;
  /** A range that is in use just now, or for which there are no huge pages, stays as it is. */
  collapse: (descriptor: number, range: MemoryRange) => Promise<void>;
  close: (descriptor: number) => number;
}

const calls = load();

/**
 * Puts the memory of a guest back into huge pages where it was split into small ones. A background snapshot leaves it so, as
 * QEMU lets the guest write to it page by page; the next one would have 512 times as much to read and to protect while the
 * guest stands still. The guest runs on meanwhile. Needs Linux 6.1 and CAP_SYS_NICE; wherever it cannot be done, everything
 * stays as it is.
 * @param pid of a QEMU
 */
export async function restoreHugePages(pid: number, signal?: AbortSignal): Promise<void> {
  const descriptor = calls?.openProcess(pid) ?? -1;
  if (calls === undefined || descriptor < 0) {
    return;
  }
  try {
    for (const area of guestAreas(await readFile(`/proc/${pid}/smaps`, 'utf8'))) {
      if (area.residentBytes - area.hugeBytes < worthwhileBytes) continue;
      for (const range of await fullRanges(pid, area)) {
        signal?.throwIfAborted();
        if (!calls.probe(descriptor, { start: range.start, end: range.start + hugePageBytes })) {
          return;
        }
        await calls.collapse(descriptor, range);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Error && 'code' in error)) {
      throw error;
    }
    // It has ended, or may not be looked at.
  } finally {
    calls.close(descriptor);
  }
}

/** The ranges of huge pages in an area in which nearly all pages are the process' own; neighbours in one. */
async function fullRanges(pid: number, { start, end }: MemoryRange): Promise<MemoryRange[]> {
  const pagemap = await open(`/proc/${pid}/pagemap`, 'r');
  try {
    const ranges: MemoryRange[] = [];
    const entries = Buffer.alloc((windowBytes / pageBytes) * entryBytes);
    const first = Math.ceil(start / hugePageBytes) * hugePageBytes;
    for (let at = first; at + hugePageBytes <= end; at += windowBytes) {
      const wanted = Math.floor(Math.min(windowBytes, end - at) / hugePageBytes) * pagesOfHugePage * entryBytes;
      const { bytesRead } = await pagemap.read(entries, 0, wanted, (at / pageBytes) * entryBytes);
      ranges.push(...fullIn(entries.subarray(0, bytesRead), at));
    }
    return ranges;
  } finally {
    await pagemap.close();
  }
}

/** @param entries of pagemap(5), from `start` on */
export function fullIn(entries: Buffer, start: number): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  const step = pagesOfHugePage * entryBytes;
  for (let at = 0; at + step <= entries.length; at += step) {
    let own = 0;
    for (let entry = at + entryBytes - 1; entry < at + step; entry += entryBytes) {
      const top = entries[entry] ?? 0;
      own += (top & presentBit) !== 0 && (top & ownBit) !== 0 ? 1 : 0;
    }
    if (own >= leastOwnPages) {
      const from = start + (at / step) * hugePageBytes;
      const last = ranges.at(-1);
      if (last?.end === from && last.end - last.start < worthwhileBytes) {
        last.end += hugePageBytes;
      } else {
        ranges.push({ start: from, end: from + hugePageBytes });
      }
    }
  }
  return ranges;
}

function vector({ start, end }: MemoryRange): RemoteVector {
  return { iov_base: start, iov_len: end - start };
}

function load(): Calls | undefined {
  if (process.platform !== 'linux' || libc === undefined) {
    return undefined;
  }
  const library = libc;
  try {
    library.struct('remote_iovec', { iov_base: 'uint64_t', iov_len: 'size_t' });
    const pidfdOpen = library.func<[pid: number, flags: number]>('int pidfd_open(int pid, uint flags)');
    const madvise = library.func<
      [descriptor: number, ranges: RemoteVector[], count: number, advice: number, flags: number]
    >('int64_t process_madvise(int pidfd, const remote_iovec *iovec, size_t vlen, int advice, uint flags)');
    const close = library.func<[descriptor: number]>('int close(int fd)');
    return {
      openProcess: (pid) => pidfdOpen(pid, 0),
      probe: (descriptor, range) =>
        madvise(descriptor, [vector(range)], 1, collapse, 0) >= 0 || !refusals.includes(library.errno()),
      collapse: (descriptor, range) =>
        new Promise((resolve) => {
          madvise.async(descriptor, [vector(range)], 1, collapse, 0, () => resolve());
        }),
      close: (descriptor) => close(descriptor),
    };
  } catch {
    // The functions came with glibc 2.36 and musl 1.2.5.
    return undefined;
  }
}
