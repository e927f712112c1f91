import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { inGuest } from '../guest.ts';

/**
 * A process in the guest that writes each number to a block of the disk and to the same block in memory, past any cache, and
 * compares all of both after each: should memory and disk ever be of two instants, or a page be another one's, it sees that.
 * It also sees when its counter skips, or pages change that nobody writes.
 */
const script = `#!/bin/sh
cd /run/checker
disk=/root/checked-blocks
fault() { echo "$1 at $number" >>faults; }
dd if=/dev/zero of=$disk bs=4096 count=16 conv=fsync 2>/dev/null
cp $disk blocks
dd if=/dev/urandom of=pages bs=65536 count=64 2>/dev/null
sum=$(md5sum <pages)
number=0
echo 0 >number
while :; do
  read last <number
  number=$((number + 1))
  [ "$last" -eq $((number - 1)) ] || fault 'the counter has skipped'
  printf '%04095d\\n' $number >block
  dd if=block of=$disk bs=4096 seek=$((number % 16)) conv=notrunc oflag=direct 2>/dev/null || fault 'a write failed'
  dd if=block of=blocks bs=4096 seek=$((number % 16)) conv=notrunc 2>/dev/null
  dd if=$disk bs=65536 iflag=direct 2>/dev/null | cmp -s - blocks || fault 'disk and memory differ'
  [ $((number % 16)) -ne 0 ] || [ "$(md5sum <pages)" = "$sum" ] || fault 'a page has changed'
  echo $number >.number
  mv .number number
done
`;

/** What the checker has found so far. */
export interface Findings {
  /** Writes that it has made. */
  count: number;
  /** Empty as long as all is right. */
  faults: string;
}

const roundLimitMs = 60_000;

/** Drives the checker in one machine's guest. */
export class GuestChecker {
  readonly #home: string;
  readonly #machine: string;

  constructor(home: string, machine: string) {
    this.#home = home;
    this.#machine = machine;
  }

  async start(): Promise<void> {
    const encoded = Buffer.from(script).toString('base64');
    await inGuest(this.#home, this.#machine, async (shell) => {
      await shell.run('mkdir -p /run/checker');
      // The guest's shell takes no lines of more than 1023 characters.
      for (const part of encoded.match(/.{1,600}/g) ?? []) {
        await shell.run(`echo -n ${part} >>/root/checker.base64`);
      }
      await shell.run('base64 -d /root/checker.base64 >/root/checker && chmod +x /root/checker');
      await shell.run('{ setsid /root/checker >/dev/null 2>&1 </dev/null & }');
      await shell.run('while [ ! -e /run/checker/number ]; do usleep 100000; done');
    });
    await this.checkedSince({ count: 0, faults: '' });
  }

  async findings(): Promise<Findings> {
    const text = await inGuest(this.#home, this.#machine, (shell) =>
      shell.run('cat /run/checker/number; cat /run/checker/faults 2>/dev/null || true'),
    );
    const [count = '', ...faults] = text.split('\n');
    assert.match(count, /^\d+$/, text);
    return { count: Number(count), faults: faults.join('; ') };
  }

  /** Waits until the checker has gone through all its blocks once more. @throws when it stands still */
  async checkedSince(before: Findings): Promise<Findings> {
    const end = performance.now() + roundLimitMs;
    for (;;) {
      const found = await this.findings();
      if (found.count >= before.count + 17 || found.faults !== '') {
        return found;
      }
      assert.ok(performance.now() < end, `the checker goes on: it stands at ${found.count}`);
      await delay(100);
    }
  }
}
