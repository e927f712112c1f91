import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { restoreHugePages } from '../../engine/hosts/qemu/huge-pages.ts';
import { guestAreas } from '../../engine/hosts/qemu/memory-areas.ts';
import { touchMemory } from '../../engine/hosts/qemu/touch-memory.ts';
import { GuestChecker } from '../support/consistency/guest-checker.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';

const name = 'lab';

describe('a guest in huge pages', () => {
  const home = homeOfSuite(name, 'started');
  let checker: GuestChecker;

  before(async () => {
    checker = new GuestChecker(home.folder, name);
    await checker.start();
  });

  it('its memory is touched → each page of it is there before QEMU asks for it', async (context) => {
    const [pid] = await home.processes();
    assert.ok(pid !== undefined);
    const before = await missingPages(pid);
    if (process.getuid?.() !== 0 || before === 0) {
      context.skip(`as root only, and where memory is given page by page: ${before} pages are missing`);
      return;
    }
    await touchMemory(pid);
    const missing = await missingPages(pid);
    // The guest gives pages back now and then.
    assert.ok(missing < before / 100, `${missing} of ${before} pages are still missing`);
    await touchMemory(2 ** 22 + 1);
    assert.equal((await checker.checkedSince(await checker.findings())).faults, '');
  });

  it('a background snapshot splits them → they are put together again while the guest runs, its memory as it was', async (context) => {
    const [pid] = await home.processes();
    assert.ok(pid !== undefined);
    const before = await hugeBytes(pid);
    const { checkpoint } = await home.ckpt.run('take', ['take', name, 'first']);
    const split = await hugeBytes(pid);
    const { memoryMethod } = checkpoint;
    if (memoryMethod !== 'background-snapshot' || split > before / 2 || process.getuid?.() !== 0) {
      context.skip(
        `as root only: ${memoryMethod ?? 'no memory'}, ${before} bytes in huge pages before, ${split} after`,
      );
      return;
    }
    await restoreHugePages(pid);
    const restored = await hugeBytes(pid);
    console.log(`  # ${before} bytes in huge pages, ${split} after the take, ${restored} afterwards`);
    assert.ok(restored > before / 2, `${before} bytes in huge pages, ${split} after the take, ${restored} afterwards`);
    assert.equal((await checker.checkedSince(await checker.findings())).faults, '');

    await home.ckpt.run('take', ['take', name, 'second']);
    await home.ckpt.run('apply', ['apply', name, 'second']);
    assert.equal((await checker.checkedSince(await checker.findings())).faults, '');
  });
});

/** Of a process' memory, in huge pages (proc_pid_smaps(5)). */
async function hugeBytes(pid: number): Promise<number> {
  const smaps = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^AnonHugePages: +(\d+) kB$/m.exec(smaps)?.[1] ?? 0) * 1024;
}

/** Pages of the guest's memory for which its QEMU has nothing yet (pagemap(5): bit 63, present). */
async function missingPages(pid: number): Promise<number> {
  const pagemap = await open(`/proc/${pid}/pagemap`, 'r');
  try {
    let missing = 0;
    for (const { start, end } of guestAreas(await readFile(`/proc/${pid}/smaps`, 'utf8'))) {
      const entries = Buffer.alloc(((end - start) / 4096) * 8);
      const { bytesRead } = await pagemap.read(entries, 0, entries.length, (start / 4096) * 8);
      for (let entry = 7; entry < bytesRead; entry += 8) {
        missing += ((entries[entry] ?? 0) & 0x80) === 0 ? 1 : 0;
      }
    }
    return missing;
  } finally {
    await pagemap.close();
  }
}
