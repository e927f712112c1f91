import { readFile } from 'node:fs/promises';
import { libc, linuxCall } from '../../disks/libc.ts';
import { guestAreas, type MemoryRange } from './memory-areas.ts';

const pageBytes = 4096;
/** `UIO_MAXIOV` of Linux. */
const pagesOfCall = 1024;
/** `struct iovec` where a pointer has 64 bits, of which addresses use 47: address and length. */
const [vectorBytes, lengthAt, addressBytes] = [16, 8, 6];
/** Of more than that, the processor would not keep a line of each page until QEMU comes by. */
const mostBytes = 2 * 1024 ** 3;

/** process_vm_readv(2) */
const readOtherProcess = linuxCall<
  [pid: number, local: Buffer, locals: number, remote: Buffer, remotes: number, flags: number]
>('int64_t process_vm_readv(int pid, void *local, size_t locals, void *remote, size_t remotes, size_t flags)');

/** @returns how many of the pages were read, or less than 0 */
type ReadPages = (pid: number, start: number, pages: number) => Promise<number>;

/**
 * Reads a byte of each page of a guest's memory, and forgets it: about 0.1 s a GiB, while the guest runs. QEMU does the same between
 * `stop` and the guest's next instruction, so that each page is there before it is protected (`ram_write_tracking_prepare` of
 * QEMU's migration/ram.c); where nobody looked at the memory for a while it takes QEMU 20–40 ms a GiB, and 3–8 ms just after
 * this. Needs the right to trace QEMU (ptrace(2)); wherever it cannot be done, everything stays as it is.
 * @param pid of a QEMU
 */
export async function touchMemory(pid: number, signal?: AbortSignal): Promise<void> {
  const readPages = pageReader();
  if (readPages === undefined) {
    return;
  }
  for (const { start, end } of await areasOf(pid)) {
    for (let at = start; at < end; at += pagesOfCall * pageBytes) {
      signal?.throwIfAborted();
      if ((await readPages(pid, at, Math.min(pagesOfCall, (end - at) / pageBytes))) < 0) {
        return;
      }
    }
  }
}

/** None when there is too much, or the process has ended or may not be looked at. */
async function areasOf(pid: number): Promise<MemoryRange[]> {
  try {
    const areas = guestAreas(await readFile(`/proc/${pid}/smaps`, 'utf8'));
    return areas.reduce((sum, { start, end }) => sum + end - start, 0) > mostBytes ? [] : areas;
  } catch {
    return [];
  }
}

function pageReader(): ReadPages | undefined {
  const read = readOtherProcess;
  if (read === undefined || libc === undefined) {
    return undefined;
  }
  const bytes = Buffer.alloc(pagesOfCall);
  const local = Buffer.alloc(vectorBytes);
  local.writeBigUInt64LE(libc.address(bytes));
  local.writeUInt32LE(bytes.length, lengthAt);
  const remote = Buffer.alloc(pagesOfCall * vectorBytes);
  for (let page = 0; page < pagesOfCall; page += 1) {
    remote.writeUInt8(1, page * vectorBytes + lengthAt);
  }
  return (pid, start, pages) => {
    for (let page = 0; page < pages; page += 1) {
      remote.writeUIntLE(start + page * pageBytes, page * vectorBytes, addressBytes);
    }
    return new Promise((resolve) => {
      // `bytes` is known here, so that it stays until they are read.
      read.async(pid, local, 1, remote, pages, 0, (error, count) => resolve(error ? -bytes.length : count));
    });
  };
}
