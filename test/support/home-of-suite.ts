import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { inGuest } from './guest.ts';
import { TestHome } from './test-home.ts';

/**
 * A home with one machine of the test guest, for the suite in whose body it is asked for.
 * @param state `stopped`: it has never run; `started`: it runs; `up`: its guest answers
 */
export function homeOfSuite(machine: string, state: 'stopped' | 'started' | 'up'): TestHome {
  const home = TestHome.at(mkdtempSync(path.join(tmpdir(), 'ckpt-')));
  before(async () => {
    await home.addGuest();
    await home.ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    if (state !== 'stopped') {
      await home.ckpt.run('start', ['start', machine]);
    }
    if (state === 'up') {
      await inGuest(home.folder, machine, (shell) => shell.run('true'));
    }
  });
  after(() => home.remove());
  return home;
}
