import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ReadingIndex, type Reading } from '../../../../engine/store/reading-index.ts';
import { settlingMs } from '../../../../engine/store/file-stamps.ts';
import { folderOf } from '../temporary-folder.ts';

interface Value {
  text: string;
}

const isHead = (json: unknown): json is Value => typeof json === 'object' && json !== null && 'text' in json;

/** An engine that remembers what one folder says, and counts how often it reads it. */
class Reader {
  reads = 0;
  readonly #index: ReadingIndex<Value>;
  readonly #folder: string;

  constructor(home: string, format = 'one') {
    this.#folder = path.join(home, 'lab');
    const watched = { files: ['now.json'], folders: ['checkpoints'] };
    this.#index = new ReadingIndex(path.join(home, 'cache', 'index'), { format, isHead }, watched);
  }

  /** Believes what each record still says. */
  async look(): Promise<string> {
    const known = this.#index.known(this.#folder);
    return known !== undefined && this.isUnchanged() ? textOf(known) : this.#read();
  }

  /** Believes what no record came, went or was replaced of. */
  async glance(): Promise<string> {
    const known = this.#index.known(this.#folder);
    return known === undefined ? this.#read() : textOf(known);
  }

  isUnchanged(): boolean {
    return this.#index.isUnchanged(this.#folder);
  }

  async #read(): Promise<string> {
    this.reads += 1;
    const stamps = this.#index.stampsOf(this.#folder);
    const text = await readFile(path.join(this.#folder, 'checkpoints', 'one.json'), 'utf8');
    const reading = { head: { text }, body: Buffer.from(JSON.stringify(text)) };
    this.#index.remember(this.#folder, stamps, reading);
    return textOf(reading);
  }

  save(): Promise<void> {
    return this.#index.save([this.#folder]);
  }
}

function textOf({ head, body }: Reading<Value>): string {
  assert.equal(Buffer.from(body).toString(), JSON.stringify(head.text));
  return head.text;
}

async function homeOf(context: TestContext): Promise<{ home: string; manifest: string; index: string }> {
  const home = await folderOf(context);
  await mkdir(path.join(home, 'lab', 'checkpoints'), { recursive: true });
  const manifest = path.join(home, 'lab', 'checkpoints', 'one.json');
  await writeFile(path.join(home, 'lab', 'now.json'), 'now');
  await writeFile(manifest, 'first');
  return { home, manifest, index: path.join(home, 'cache', 'index') };
}

/** As if the files had been left alone for a while. */
async function later<T>(context: TestContext, act: () => Promise<T>): Promise<T> {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * settlingMs });
  try {
    return await act();
  } finally {
    context.mock.timers.reset();
  }
}

async function remember(context: TestContext, home: string): Promise<void> {
  const engine = new Reader(home);
  assert.equal(await later(context, () => engine.look()), 'first');
  await engine.save();
}

describe('what an engine remembers of the records that it read', () => {
  it('read once → neither it nor the next engine reads again', async (context) => {
    const { home } = await homeOf(context);
    const engine = new Reader(home);
    await later(context, () => engine.look());
    assert.equal(await engine.look(), 'first');
    await engine.save();
    const next = new Reader(home);
    assert.equal(await next.look(), 'first');
    assert.deepEqual([engine.reads, next.reads], [1, 0]);
  });

  it('changed only just now → read each time, and not remembered: another change might not show', async (context) => {
    const { home, index } = await homeOf(context);
    const engine = new Reader(home);
    await engine.look();
    await engine.look();
    await engine.save();
    assert.equal(engine.reads, 2);
    await assert.rejects(stat(index), { code: 'ENOENT' });
  });

  const changes: [string, (files: { home: string; manifest: string }) => Promise<void>][] = [
    [
      'edited in place to the same length, its time set back',
      async ({ manifest }) => {
        const { atime, mtime } = await stat(manifest);
        await writeFile(manifest, 'other');
        await utimes(manifest, atime, mtime);
      },
    ],
    ['a file came', ({ home }) => writeFile(path.join(home, 'lab', 'checkpoints', 'two.json'), 'second')],
    ['a file went', ({ home }) => rm(path.join(home, 'lab', 'now.json'))],
  ];
  for (const [name, change] of changes) {
    it(`${name} → read again`, async (context) => {
      const { home, manifest } = await homeOf(context);
      await remember(context, home);
      await change({ home, manifest });
      const next = new Reader(home);
      assert.equal(await next.look(), await readFile(manifest, 'utf8'));
      assert.equal(next.reads, 1);
    });
  }

  it('edited in place, its time set back → believed at a glance, found right afterwards, and read again', async (context) => {
    const { home, manifest } = await homeOf(context);
    await remember(context, home);
    const next = new Reader(home);
    assert.equal(await next.glance(), 'first');
    assert.equal(next.isUnchanged(), true);
    const { atime, mtime } = await stat(manifest);
    await writeFile(manifest, 'other');
    await utimes(manifest, atime, mtime);
    assert.equal(await next.glance(), 'first');
    assert.equal(next.isUnchanged(), false);
    assert.equal(await next.glance(), 'other');
    assert.equal(next.reads, 1);
  });

  it('replaced by rename, as our writers do it → read again at a glance', async (context) => {
    const { home, manifest } = await homeOf(context);
    await remember(context, home);
    await writeFile(`${manifest}.new`, 'other');
    await rename(`${manifest}.new`, manifest);
    assert.equal(await new Reader(home).glance(), 'other');
  });

  it('something came into the folder itself, such as a journal → read again at a glance', async (context) => {
    const { home } = await homeOf(context);
    await remember(context, home);
    await writeFile(path.join(home, 'lab', 'journal.json'), '{}');
    const next = new Reader(home);
    await next.glance();
    assert.equal(next.reads, 1);
  });

  const damages: [string, (index: string) => Promise<void>][] = [
    ['torn', async (index) => truncate(index, (await stat(index)).size - 4)],
    ['empty', (index) => truncate(index, 0)],
    ['longer', (index) => appendFile(index, '{}\n{}\n')],
    ['forged', async (index) => writeFile(index, (await readFile(index, 'utf8')).replace('first', 'forge'))],
    ['no text', (index) => writeFile(index, Buffer.alloc(4096, 0xff))],
    [
      'a folder',
      async (index) => {
        await rm(index);
        await mkdir(index);
      },
    ],
  ];
  if (process.platform !== 'win32') {
    damages.push(['writable for others', (index) => chmod(index, 0o666)]);
  }
  for (const [name, damage] of damages) {
    it(`its file is ${name} → read again, and it says so rightly`, async (context) => {
      const { home, index } = await homeOf(context);
      await remember(context, home);
      await damage(index);
      const next = new Reader(home);
      assert.equal(await next.look(), 'first');
      assert.equal(next.reads, 1);
      await next.save();
    });
  }

  it('its file is of another format → read again, and replaced', async (context) => {
    const { home } = await homeOf(context);
    await remember(context, home);
    const newer = new Reader(home, 'two');
    await later(context, () => newer.look());
    await newer.save();
    const again = new Reader(home, 'two');
    await again.look();
    assert.deepEqual([newer.reads, again.reads], [1, 0]);
  });

  it('several engines save at once → one of them whole, and nothing else is left', async (context) => {
    const { home, index } = await homeOf(context);
    const engines = Array.from({ length: 8 }, () => new Reader(home));
    await later(context, () => Promise.all(engines.map((engine) => engine.look())));
    await Promise.all(engines.map((engine) => engine.save()));
    const next = new Reader(home);
    await next.look();
    assert.equal(next.reads, 0);
    assert.ok((await stat(index)).isFile());
  });

  it('nowhere to save → done without', async (context) => {
    const { home } = await homeOf(context);
    await writeFile(path.join(home, 'cache'), '');
    const engine = new Reader(home);
    await later(context, () => engine.look());
    await engine.save();
    assert.equal(await engine.look(), 'first');
  });
});
