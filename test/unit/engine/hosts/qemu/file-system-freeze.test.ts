import assert from 'node:assert/strict';
import type net from 'node:net';
import { test } from 'node:test';
import { z } from 'zod';
import { thaw, whileFrozen } from '../../../../../engine/hosts/qemu/file-system-freeze.ts';
import { peer } from './peer.ts';

const request = z.object({ execute: z.string(), arguments: z.object({ id: z.number().optional() }) });

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
        if (execute in answers) {
          client.write(`${JSON.stringify(answers[execute])}\n`);
        }
      }
    });
}

const linux: Answers = {
  'guest-get-osinfo': { return: { id: 'debian' } },
  'guest-fsfreeze-freeze': { return: 2 },
  'guest-fsfreeze-thaw': { return: 2 },
};

test('Linux → frozen, the action, thawed: consistent to the file systems', async (context) => {
  const heard: string[] = [];
  const socket = await peer(context, agent(linux, heard));
  const frozen = await whileFrozen(socket, async () => heard.push('the action'));
  assert.equal(frozen.consistency, 'file-system');
  assert.deepEqual(heard, ['guest-get-osinfo', 'guest-fsfreeze-freeze', 'the action', 'guest-fsfreeze-thaw']);
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
  ['answers with what is no number', { ...linux, 'guest-fsfreeze-freeze': { return: 'two' } }],
];
for (const [what, answers] of refusals) {
  test(`an agent that ${what} → GuestNotResponding, nothing done, and thawed`, async (context) => {
    const heard: string[] = [];
    const socket = await peer(context, agent(answers, heard));
    await assert.rejects(
      whileFrozen(socket, async () => heard.push('the action')),
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
