import { z } from 'zod';
import type { QmpConnection } from './qmp.ts';

/**
 * QEMU's `file:` takes over from descriptors of files: those are deprecated since 9.1 and refused by 11.1 (QEMU
 * docs/about/removed-features.rst, "fd: URI when used for file migration").
 */
const opensFilesSince = '9.1';
/** From here on a background snapshot that ends early lifts its write protection (`bg_migration_iteration_finish`). */
const endsBackgroundSnapshotsSince = '8.1';
/**
 * Before that, a guest that tcg runs writes to its memory unseen once QEMU has asked what it wrote
 * (`cpu_physical_memory_sync_dirty_bitmap` forgets to reset the TLB; "physmem: Fix migration dirty bitmap coherency with TCG memory
 * access", 2024).
 */
const tcgSeesWritesSince = '9.0';

const versionAnswer = z.object({ qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }) });

/** Whether QEMU is to open the file of a guest's memory itself, by its name. @param version such as `7.2.22` */
export function opensMemoryFiles(version: string): boolean {
  return isAtLeast(version, opensFilesSince);
}

/** Whether a background snapshot may be cancelled, and may fail. @param version such as `7.2.22` */
export function endsBackgroundSnapshots(version: string): boolean {
  return isAtLeast(version, endsBackgroundSnapshotsSince);
}

/**
 * Whether QEMU may ask repeatedly what a running guest has written. Else it knows of every write only until it asks for the first
 * time.
 * @param version such as `7.2.22`
 */
export function seesAllWrites({ version, accelerator }: { version: string; accelerator: string }): boolean {
  return accelerator !== 'tcg' || isAtLeast(version, tcgSeesWritesSince);
}

/** Of the QEMU that answers there, such as `7.2.22`. @throws QemuFailed, QmpTimeout */
export async function versionOf(monitor: QmpConnection): Promise<string> {
  const { major, minor, micro } = (await monitor.query('query-version', versionAnswer)).qemu;
  return [major, minor, micro].join('.');
}

function isAtLeast(version: string, other: string): boolean {
  const wanted = numbersOf(other);
  const found = numbersOf(version);
  const at = wanted.findIndex((number, index) => number !== (found[index] ?? 0));
  return at === -1 || (found[at] ?? 0) > (wanted[at] ?? 0);
}

function numbersOf(version: string): number[] {
  return version.split('.').map(Number);
}
