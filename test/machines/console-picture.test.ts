import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type GuestShell, inGuest } from '../support/guest.ts';
import { runCkpt } from '../support/ckpt.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';

const name = 'lab';

describe('what was on the console', () => {
  const home = homeOfSuite(name, 'up');

  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(home.folder, name, use);
  const take = (called: string, ...options: string[]) => home.ckpt.run('take', ['take', name, called, ...options]);
  const consoleOf = async (checkpoint: string, machine = name): Promise<string> =>
    (await home.ckpt.run('show', ['show', machine, checkpoint])).console ?? '';

  it('of a machine that is stopped there is none; of one that runs, the last lines, with memory and without', async () => {
    await guest((shell) => shell.run('echo first "words"'));
    await take('with memory');
    await guest((shell) => shell.run('echo second "words"'));
    await take('without', '--no-memory');
    assert.match(await consoleOf('with memory'), /^first words$/m);
    assert.doesNotMatch(await consoleOf('with memory'), /second words/);
    assert.match(await consoleOf('without'), /^first words\n(?:.*\n)*second words$/m);
  });

  it('it is shown by its own call, and never in a list', async () => {
    const { stdout } = await runCkpt(home.folder, ['list', '--json']);
    assert.doesNotMatch(stdout, /words/);
    const { stdout: told } = await runCkpt(home.folder, ['show', name, 'with memory']);
    assert.match(told, /^On its console then:\n(?: {2}.*\n)* {2}first words$/m);
    assert.equal((await home.ckpt.run('show', ['show', name])).console, undefined);
  });

  it('a guest that came back goes on from the screen that it had, and what was kept of the other has its own', async () => {
    const { kept } = await home.ckpt.run('apply', ['apply', name, 'with memory']);
    await guest((shell) => shell.run('echo third "words"'));
    await take('afterwards');
    assert.match(await consoleOf('afterwards'), /^first words\n(?:.*\n)*third words$/m);
    assert.doesNotMatch(await consoleOf('afterwards'), /second words/);
    assert.match(await consoleOf(kept?.id ?? ''), /second words/);
  });

  it('so does one that was saved', async () => {
    await home.ckpt.run('saveState', ['save', name]);
    await take('of the saved one');
    await home.ckpt.run('start', ['start', name]);
    await take('of the resumed one');
    for (const checkpoint of ['of the saved one', 'of the resumed one']) {
      assert.match(await consoleOf(checkpoint), /third words/, checkpoint);
    }
  });

  it('it goes along with an export and an import; a start begins with an empty screen', async () => {
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await take('stopped');
    assert.equal(await consoleOf('stopped'), '');
    await home.ckpt.run('export', ['export', name, path.join(home.folder, 'exported')]);
    await home.ckpt.run('import', ['import', path.join(home.folder, 'exported'), 'copy']);
    assert.match(await consoleOf('without', 'copy'), /second words/);
    assert.match(await consoleOf('with memory', 'copy'), /first words/);
    const { isSound } = await home.ckpt.run('doctor', ['doctor']);
    assert.ok(isSound);
    await home.ckpt.run('start', ['start', name]);
    await guest((shell) => shell.run('true'));
    await take('started');
    assert.doesNotMatch(await consoleOf('started'), /third words/);
  });
});
