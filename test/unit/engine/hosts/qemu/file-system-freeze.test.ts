import assert from 'node:assert/strict';
import type net from 'node:net';
import { test } from 'node:test';
import { z } from 'zod';
import { englishOf } from '../../../../../engine/model/sayings.ts';
import { thaw, whileFrozen } from '../../../../../engine/hosts/qemu/file-system-freeze.ts';
import { peer } from './peer.ts';

const request = z.object({ execute: z.string(), arguments: z.object({ id: z.number().optional() }) });
const limitMs = 500;

type Answers = Readonly<Record<string, unknown>>;

/** An agent that answers as told, and not at all to a command that is not in the list. */
function agent(answers: Answers, heard: string[]): (client: net.Socket) => void {
  return (client) =>
    client.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString('latin1').replaceAll('\u00ff', '').split('\n').filter(Boolean)) {
        const { execute, arguments: given } = request.parse(JSON.parse(line));
        if (execute === 'guest-sync') {
          client.write(`${JSON.stringify({ return: given.id })}\n`);
          continue;
        }
        heard.push(execute);
        const answer = answers[execute];
        if (answer !== undefined) {
          client.write(typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`);
        }
      }
    });
}

const linux: Answers = {
  'guest-get-osinfo': { return: { id: 'debian' } },
  'guest-exec': { error: { class: 'CommandNotFound', desc: 'disabled' } },
  'guest-fsfreeze-freeze': { return: 2 },
  'guest-fsfreeze-thaw': { return: 2 },
};

test('Linux → frozen, the action, thawed: consistent to the file systems', async (context) => {
  const heard: string[] = [];
  const socket = await peer(context, agent(linux, heard));
  const frozen = await whileFrozen(socket, async () => heard.push('the action'));
  assert.equal(frozen.consistency, 'file-system');
  assert.deepEqual(heard, [
    'guest-get-osinfo',
    'guest-exec',
    'guest-fsfreeze-freeze',
    'the action',
    'guest-fsfreeze-thaw',
  ]);
});

test('Windows → consistent to the applications', async (context) => {
  const answers = { ...linux, 'guest-get-osinfo': { return: { id: 'mswindows' } } };
  const socket = await peer(context, agent(answers, []));
  assert.equal((await whileFrozen(socket, async () => undefined)).consistency, 'application');
});

test('the action fails → thawed all the same, and its error told', async (context) => {
  const heard: string[] = [];
  const socket = await peer(context, agent(linux, heard));
  await assert.rejects(
    whileFrozen(socket, async () => {
      throw new Error('the action failed');
    }),
    /the action failed/,
  );
  assert.equal(heard.at(-1), 'guest-fsfreeze-thaw');
});

const refusals: [what: string, answers: Answers][] = [
  ['refuses', { ...linux, 'guest-fsfreeze-freeze': { error: { class: 'GenericError', desc: 'disabled' } } }],
  ['freezes nothing', { ...linux, 'guest-fsfreeze-freeze': { return: 0 } }],
  ['never answers the freeze', { ...linux, 'guest-fsfreeze-freeze': undefined }],
  ['answers with garbage', { ...linux, 'guest-fsfreeze-freeze': '\u0000{"return": \n}{garbage\n[]\n' }],
  ['answers with what is no number', { ...linux, 'guest-fsfreeze-freeze': { return: 'two' } }],
];
for (const [what, answers] of refusals) {
  test(`an agent that ${what} → GuestNotResponding, nothing done, and thawed`, async (context) => {
    const heard: string[] = [];
    const socket = await peer(context, agent(answers, heard));
    await assert.rejects(
      whileFrozen(socket, async () => heard.push('the action'), limitMs),
      { code: 'GuestNotResponding' },
    );
    assert.ok(!heard.includes('the action'));
    assert.equal(heard.at(-1), 'guest-fsfreeze-thaw');
  });
}

test('a thaw that is not answered at first → asked again until it is', async (context) => {
  const heard: string[] = [];
  let connections = 0;
  const socket = await peer(context, (client) => {
    connections++;
    if (connections < 3) {
      client.destroy();
    } else {
      agent(linux, heard)(client);
    }
  });
  await thaw(socket);
  assert.deepEqual(heard, ['guest-fsfreeze-thaw']);
});

/** Answers `guest-exec` with what programs print, one after the other. */
function printing(...outputs: string[]): Answers {
  let pid = 0;
  return {
    ...linux,
    get 'guest-exec'() {
      return { return: { pid: ++pid } };
    },
    get 'guest-exec-status'() {
      const output = Buffer.from(outputs[pid - 1] ?? '').toString('base64');
      return { return: { exited: true, exitcode: 0, 'out-data': output } };
    },
  };
}

const looked = 'program /etc/qemu/fsfreeze-hook.d/db|log 7 /var/log/qga-fsfreeze-hook.log|';
const date = 'Sat Nov 21 20:00:00 UTC 2026';
const called = (verb: string, status: number): string =>
  `${date}: execute /etc/qemu/fsfreeze-hook.d/db ${verb}|some words|${date}: /etc/qemu/fsfreeze-hook.d/db finished with status=${status}|`;

test('hooks that succeeded → consistent to the applications', async (context) => {
  const socket = await peer(context, agent(printing(looked, called('freeze', 0) + called('thaw', 1)), []));
  assert.deepEqual(await whileFrozen(socket, async () => 1), { value: 1, consistency: 'application' });
});

test('a hook that failed → consistent to the file systems, and its name is told', async (context) => {
  const socket = await peer(context, agent(printing(looked, called('freeze', 3) + called('thaw', 0)), []));
  const { consistency, problem } = await whileFrozen(socket, async () => undefined);
  assert.equal(consistency, 'file-system');
  assert.match(englishOf(problem ?? []), /file systems only: \/etc\/qemu\/fsfreeze-hook\.d\/db failed/);
});
