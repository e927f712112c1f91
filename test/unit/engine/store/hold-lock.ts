// Takes the lock on a file, says so, and holds it until standard input ends.
// Usage: hold-lock.ts kernel|owner FILE
import { tryFileLock } from '../../../../engine/store/file-lock.ts';
import type { LockAttempt } from '../../../../engine/store/lock-holder.ts';
import { tryOwnerFile } from '../../../../engine/store/owner-file.ts';
import { processIdentity } from '../../../../engine/store/process-identity.ts';

const [kind, file = ''] = process.argv.slice(2);
const purpose = { operation: 'take', face: 'a test' };

async function attempt(): Promise<LockAttempt> {
  if (kind === 'kernel') {
    return tryFileLock(file, purpose);
  }
  const identity = await processIdentity(process.pid);
  const since = new Date().toISOString();
  return tryOwnerFile(file, { pid: process.pid, ...(identity === undefined ? {} : { identity }), since, ...purpose });
}

void attempt().then((result) => {
  process.stdout.write('lock' in result ? 'held\n' : 'refused\n');
  process.stdin.resume().once('end', () => {
    const released = 'lock' in result ? result.lock.release() : Promise.resolve();
    void released.then(() => process.exit());
  });
});
