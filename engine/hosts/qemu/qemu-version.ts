import { z } from 'zod';
import type { QmpConnection } from './qmp.ts';

/**
 * QEMU's `file:` takes over from descriptors of files: those are deprecated since 9.1 and refused by 11.1 (QEMU
 * docs/about/removed-features.rst, "fd: URI when used for file migration").
 */
const opensFilesSince = '9.1';
/** From here on a background snapshot that ends early lifts its write protection (`bg_migration_iteration_finish`). */
const endsBackgroundSnapshotsSince = '8.1';

const versionAnswer = z.object({ qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }) });

/** Whether QEMU is to open the file of a guest's memory itself, by its name. @param version such as `7.2.22` */
export function opensMemoryFiles(version: string): boolean {
  return isAtLeast(version, opensFilesSince);
}

/** Whether a background snapshot may be cancelled, and may fail. @param version such as `7.2.22` */
export function endsBackgroundSnapshots(version: string): boolean {
  return isAtLeast(version, endsBackgroundSnapshotsSince);
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
