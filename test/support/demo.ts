// npm run demo: the whole story in a terminal, against the real machine, each step with its time. Exits with 1 when the
// machine did not come back exactly.

import type { Ckpt } from './ckpt.ts';
import { demoMachine, prepareDemoMachine } from './demo-machine.ts';
import { inGuest, type GuestShell } from './guest.ts';
import { build, requireQemu } from './set-up.ts';
import { SetUpError } from './system-programs.ts';
import { TestHome } from './test-home.ts';

/** Everything that shows whether the machine is as it was: files by hash, and the process by its number and count. */
interface Observed {
  files: string;
  processId: string;
  counter: number;
}

async function demo(): Promise<void> {
  await requireQemu(console.log);
  await build();
  const home = await TestHome.create();
  process.env['VM_CHECKPOINTS_HOME'] = home.folder;
  try {
    const { isOwnGuest } = await prepareDemoMachine(console.log);
    if (!isOwnGuest) {
      throw new SetUpError(
        'The demo looks inside its guest, which can be built on Debian 12 only. Use npm start to try the extension here.',
      );
    }
    await tell(home.ckpt);
  } finally {
    await home.remove();
  }
}

async function tell(ckpt: Ckpt): Promise<void> {
  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(ckpt.home, demoMachine, use);

  await step('start the machine', () => ckpt.run('start', ['start', demoMachine]));
  const before = await step('wait for its prompt; look at its files and its counter process', () => guest(observe));
  const taken = await step('take a checkpoint “before experiment”', () =>
    ckpt.run('take', ['take', demoMachine, 'before experiment']),
  );
  say(`the guest stood still for ${String(taken.checkpoint.pauseMs)} ms`);
  await step('delete what matters: rm -r /srv/project, kill the counter', () =>
    guest((shell) =>
      shell.run(
        'rm -r /srv/project /etc/motd; touch /srv/wreck; kill $(counter-status | grep -o "[0-9]*" | head -1); sync',
      ),
    ),
  );
  const reverted = await step('revert', () => ckpt.run('revert', ['revert', demoMachine]));
  const after = await step('look again', () => guest(observe));
  requireSame(before, after);
  say(`files are the same; process ${after.processId} goes on counting from ${before.counter}: ${after.counter}`);
  requireThat(reverted.machine.state === 'running', 'the machine runs');

  await step('undo the revert', () => ckpt.run('undo', ['undo', demoMachine]));
  const wreck = await step('look: the damage is back', () => guest((shell) => shell.run('ls /srv')));
  requireThat(wreck === 'wreck', 'undo brought back what the revert replaced');
  await step('redo the revert', () => ckpt.run('redo', ['redo', demoMachine]));
  requireSame(before, await guest(observe));

  await step('shut the machine down', () => ckpt.run('stop', ['stop', demoMachine]));
  await step('take a checkpoint of the stopped machine', () => ckpt.run('take', ['take', demoMachine, 'cold']));
  await step('start, delete, stop', async () => {
    await ckpt.run('start', ['start', demoMachine]);
    await guest((shell) => shell.run('rm -r /srv/project; sync'));
    await ckpt.run('stop', ['stop', demoMachine]);
  });
  await step('revert', () => ckpt.run('revert', ['revert', demoMachine]));
  await step('start and look', async () => {
    await ckpt.run('start', ['start', demoMachine]);
    const found = await guest(observe);
    requireThat(found.files === before.files, 'the files are as they were');
  });
  await step('rename “cold”, delete “renamed”', async () => {
    await ckpt.run('rename', ['rename', demoMachine, 'cold', 'renamed']);
    const deleted = await ckpt.run('delete', ['delete', demoMachine, 'renamed']);
    requireThat(
      !deleted.machine.checkpoints.some((checkpoint) => checkpoint.name === 'renamed'),
      'the checkpoint is gone',
    );
  });
  const left = await step('everything still works', () => guest(observe));
  requireThat(left.files === before.files, 'the files are as they were');
  await step('force it off', () => ckpt.run('stop', ['stop', demoMachine, '--force']));
  console.log('\nThe machine came back exactly, every time.');
}

async function observe(shell: GuestShell): Promise<Observed> {
  const files = await shell.run('find /srv /etc /root -type f | sort | xargs sha256sum');
  requireThat(files.split('\n').length > 20, 'the guest listed its files');
  const processId = await shell.run('counter-status | grep -o "[0-9]*" | head -1');
  return { files, processId, counter: Number(await shell.run('cat /run/counter')) };
}

function requireSame(before: Observed, after: Observed): void {
  requireThat(after.files === before.files, 'the files are as they were');
  requireThat(
    after.processId === before.processId,
    `the counter is the same process (${before.processId}, found ${after.processId})`,
  );
  requireThat(after.counter >= before.counter, `the counter went on from ${before.counter} (found ${after.counter})`);
}

function requireThat(holds: boolean, what: string): void {
  if (!holds) {
    throw new Error(`Not so: ${what}.`);
  }
}

let steps = 0;

async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  const started = performance.now();
  process.stdout.write(`${String(++steps).padStart(2)}. ${what} … `);
  try {
    const result = await run();
    console.log(`${((performance.now() - started) / 1000).toFixed(2)} s`);
    return result;
  } catch (error) {
    console.log('failed');
    throw error;
  }
}

function say(text: string): void {
  console.log(`    ${text}`);
}

demo().catch((error: unknown) => {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
