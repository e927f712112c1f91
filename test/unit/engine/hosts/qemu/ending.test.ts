import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { endingOf, endsPanicked, openEvents, sayEnding, type Ending } from '../../../../../engine/hosts/qemu/ending.ts';
import { QmpConnection } from '../../../../../engine/hosts/qemu/qmp.ts';
import { englishOf } from '../../../../../engine/model/sayings.ts';
import type { Sentence } from '../../../../../engine/protocol/sentences.ts';
import { isOfThisBoot, processIdentity } from '../../../../../engine/store/process-identity.ts';
import type { ProcessRecord } from '../../../../../engine/store/records.ts';
import { until } from '../../../../support/vscode/until.ts';
import { folderOf } from '../../temporary-folder.ts';

const ending: Ending = {
  pid: 7,
  words: undefined,
  reason: undefined,
  isTold: true,
  hasPanicked: false,
  isOfThisBoot: true,
};

const inEnglish = (sentences: readonly Sentence[] | undefined): string | undefined => sentences && englishOf(sentences);
const told = (of: Ending): string | undefined => inEnglish(sayEnding(of));

test('what the guest or an engine asked for is not told', () => {
  assert.equal(told({ ...ending, reason: 'guest-shutdown' }), undefined);
  assert.equal(told({ ...ending, reason: 'host-qmp-quit' }), undefined);
});

test('an end that nobody asked for is told, with what is known of it', () => {
  assert.match(told(ending) ?? '', /process 7.*without a word: it was killed.*memory ran short/);
  assert.match(told({ ...ending, exit: { code: null, signal: 'SIGKILL' } }) ?? '', /killed or crashed \(SIGKILL\)/);
  assert.match(told({ ...ending, exit: { code: 1, signal: null } }) ?? '', /\(exit code 1\)/);
  assert.match(told({ ...ending, words: 'no memory' }) ?? '', /Its last words: no memory$/);
  assert.match(told({ ...ending, reason: 'host-signal' }) ?? '', /by a signal/);
  assert.match(told({ ...ending, reason: 'guest-panic' }) ?? '', /The guest crashed/);
  assert.match(told({ ...ending, reason: 'guest-shutdown', hasPanicked: true }) ?? '', /The guest crashed/);
  assert.match(told({ ...ending, isOfThisBoot: false }) ?? '', /The computer was restarted/);
});

test('a guest that has panicked → so it is until a reset gives it another kernel', () => {
  const events = (...names: string[]): { event: string }[] => names.map((event) => ({ event }));
  assert.equal(endsPanicked(events('RESUME', 'STOP')), false);
  assert.equal(endsPanicked(events('GUEST_PANICKED', 'STOP', 'RESUME')), true);
  assert.equal(endsPanicked(events('GUEST_PANICKED', 'STOP', 'RESET', 'RESUME')), false);
  assert.equal(endsPanicked(events('RESET', 'GUEST_PANICKED', 'STOP')), true);
});

test('a process that an older engine started says what it always said', () => {
  const old = { ...ending, isTold: false };
  assert.equal(told(old), undefined);
  assert.equal(told({ ...old, words: 'could not read' }), 'QEMU (process 7) ended: could not read');
});

test('a process of this boot is one of this boot; of another it is not', async () => {
  assert.equal(await isOfThisBoot((await processIdentity(process.pid)) ?? ''), true);
  assert.equal(await isOfThisBoot('00000000-0000-0000-0000-000000000000:1'), process.platform !== 'linux');
});

for (const [how, end, expected] of [
  ['it is told to quit', (monitor: QmpConnection) => monitor.execute('quit').catch(() => undefined), undefined],
  ['it is killed', (_: QmpConnection, pid: number) => process.kill(pid, 'SIGKILL'), /without a word/],
  ['it is told to end by a signal', (_: QmpConnection, pid: number) => process.kill(pid, 'SIGTERM'), /by a signal/],
] as const) {
  test(`a real QEMU tells of its machine without anybody listening: ${how}`, async (context) => {
    const folder = await folderOf(context);
    const socket = path.join(folder, 'm');
    const events = await openEvents(folder);
    const child = spawn(
      'qemu-system-x86_64',
      [
        ...['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none', '-S'],
        ...['-chardev', 'stdio,id=events0,signal=off', '-mon', 'chardev=events0,mode=control'],
        ...['-chardev', `socket,id=m,path=${socket},server=on,wait=off`, '-mon', 'chardev=m,mode=control'],
      ],
      { stdio: [events.input, events.output, 'ignore'] },
    );
    context.after(() => child.kill('SIGKILL'));
    await events.close();
    const exited = once(child, 'exit');
    const monitor = await until('QEMU to listen', () => QmpConnection.connect(socket).catch(() => undefined), {
      timeoutMilliseconds: 20_000,
      intervalMilliseconds: 10,
    });
    await monitor.execute('cont');
    await end(monitor, child.pid ?? 0);
    await exited;
    monitor.close();
    const record: ProcessRecord = {
      version: 1,
      socketsFolder: folder,
      started: new Date().toISOString(),
      hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
    };
    const sentence = inEnglish(await endingOf(record, undefined));
    assert.equal(sentence === undefined, expected === undefined, sentence);
    assert.match(sentence ?? '', expected ?? /^$/);
  });
}

test('what cannot be read of an end is not believed', async (context) => {
  const folder = await folderOf(context);
  await writeFile(path.join(folder, 'events.log'), '{"event":"RESUME"}\n{"event":\n\0\0\n');
  await writeFile(path.join(folder, 'exit.json'), '{"code":');
  const record: ProcessRecord = {
    version: 1,
    socketsFolder: folder,
    started: new Date().toISOString(),
    hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
  };
  assert.match(inEnglish(await endingOf(record, undefined)) ?? '', /QEMU ended without a word/);
});
