import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { Output } from '../../../../engine/cli/output.ts';
import { addRetentionVerbs, type RetentionCalls } from '../../../../engine/cli/retention-verbs.ts';
import type { RetentionOperations } from '../../../../engine/protocol/retention.ts';
import type { SpaceOperations } from '../../../../engine/protocol/space.ts';
import { retentionPolicy } from '../../../../engine/store/policy-record.ts';
import { folderOfSuite } from '../temporary-folder.ts';

const home = folderOfSuite();

type Name = Parameters<RetentionCalls['parse']>[0];

const params: { [K in Name]: z.ZodType<(RetentionOperations & SpaceOperations)[K]['params']> } = {
  policy: z.strictObject({ machine: z.string(), policy: retentionPolicy.exactOptional() }),
  prune: z.strictObject({ machine: z.string().exactOptional(), dryRun: z.boolean().exactOptional() }),
  space: z.strictObject({ machine: z.string().exactOptional() }),
  freeSpace: z.strictObject({ machine: z.string().exactOptional(), dryRun: z.boolean().exactOptional() }),
};

/** Runs a verb with an engine that answers the same each time. */
async function run(
  context: TestContext,
  args: string[],
): Promise<{ text: string; asked: unknown; hasFailed: boolean }> {
  let asked: unknown;
  let text = '';
  let hasFailed = false;
  const calls: RetentionCalls = {
    parse: (operation, given) => {
      asked = given;
      return params[operation].parse(given);
    },
    service: () => ({
      policy: async ({ machine, policy }) => ({ machine, policy: policy ?? {} }),
      prune: async ({ dryRun }) => ({ ...pruned, isDryRun: dryRun === true }),
      space: async () => spaces,
      freeSpace: async ({ dryRun }) => ({ ...freed, isDryRun: dryRun === true }),
    }),
  };
  const program = new Command('ckpt').exitOverride().configureOutput({ writeErr: () => undefined });
  addRetentionVerbs(program, new Output(args.includes('--json')), calls, () => {
    hasFailed = true;
  });
  const write = context.mock.method(process.stdout, 'write', (chunk: string) => {
    text += chunk;
    return true;
  });
  try {
    await program.parseAsync([...args, '--home', home], { from: 'user' });
  } finally {
    write.mock.restore();
  }
  return { text: text.trimEnd(), asked, hasFailed };
}

const created = '2026-11-21T09:00:00.000Z';
const pruned: Awaited<ReturnType<ReturnType<RetentionCalls['service']>['prune']>> = {
  isDryRun: false,
  machines: [
    {
      machine: 'lab',
      deleted: [
        { id: 'aaaaaaaa-1', name: 'a', created, rule: 'notKept', reason: 'None keeps it.', freedBytes: 3 * 2 ** 20 },
      ],
      kept: [{ id: 'bbbbbbbb-1', name: 'b', created, rule: 'pinned', reason: 'It is pinned.' }],
      notes: ['The clock shows another time.'],
    },
    { machine: 'quiet', deleted: [], kept: [], notes: [] },
  ],
  failed: [{ machine: 'busy', code: 'Locked', message: 'It is busy.' }],
};
const spaces = {
  failed: [],
  machines: [
    {
      machine: 'lab',
      totalBytes: 5 * 2 ** 30,
      nowBytes: 2 ** 30,
      checkpoints: [
        {
          id: 'aaaaaaaa-1',
          name: 'a',
          exclusive: { leastBytes: 2 ** 20, mostBytes: 2 ** 30 },
          sharedBytes: 2 ** 30,
          memoryBytes: 2 ** 20,
        },
      ],
      allCheckpoints: { leastBytes: 2 ** 20, mostBytes: 2 ** 30 },
      trash: { leastBytes: 2 ** 20, mostBytes: 2 ** 20 },
      unusedBytes: 0,
      freeBytes: 7 * 2 ** 30,
    },
  ],
};

const freed = {
  isDryRun: false,
  machines: [{ machine: 'lab', trash: ['a', 'b'], kept: ['Before applying “a”'], freedBytes: 2 ** 20 }],
  freedBytes: 2 ** 20,
  failed: [],
};

test('ckpt policy without options asks; with options it sets the whole policy; --off sets an empty one', async (context) => {
  assert.deepEqual((await run(context, ['policy', 'lab'])).asked, { machine: 'lab' });
  const all = ['--keep-last', '5', '--hourly', '24', '--daily', '7', '--weekly', '4', '--monthly', '6'];
  const more = ['--max-size', '20G', '--minimum', '3', '--include-named', '--age-by', 'running'];
  const { asked, text } = await run(context, ['policy', 'lab', ...all, ...more]);
  const policy = {
    keepLast: 5,
    hourly: 24,
    daily: 7,
    weekly: 4,
    monthly: 6,
    maxBytes: 20 * 2 ** 30,
    minimum: 3,
    includeNamed: true,
    ageBy: 'running',
  };
  assert.deepEqual(asked, { machine: 'lab', policy });
  assert.equal(
    text,
    '“lab” keeps last 5, hourly 24, daily 7, weekly 4, monthly 6; lets checkpoints cost 20 GiB; always keeps 3; also deletes what a person named; counts only the time that it runs.',
  );
  const off = await run(context, ['policy', 'lab', '--off']);
  assert.deepEqual(off.asked, { machine: 'lab', policy: {} });
  assert.equal(off.text, '“lab” has no policy: only what expires is deleted.');
});

test('ckpt policy refuses what makes no sense', async (context) => {
  for (const args of [
    ['--off', '--keep-last', '3'],
    ['--keep-last', 'x'],
    ['--max-size', '5X'],
    ['--age-by', 'moon'],
  ]) {
    await assert.rejects(run(context, ['policy', 'lab', ...args]), CommanderError, args.join(' '));
  }
  await assert.rejects(run(context, ['policy', 'lab', '--keep-last', '0']), z.ZodError);
});

test('ckpt prune tells what went, --dry-run also what stays and why; a machine that failed makes the verb fail', async (context) => {
  const real = await run(context, ['prune']);
  assert.deepEqual(real.asked, {});
  assert.ok(real.hasFailed);
  assert.equal(
    real.text,
    [
      'lab',
      '  deleted “a” (aaaaaaaa), up to 3.0 MiB: None keeps it.',
      '  The clock shows another time.',
      'busy: It is busy. [Locked]',
    ].join('\n'),
  );
  const dry = await run(context, ['prune', 'lab', '--dry-run']);
  assert.deepEqual(dry.asked, { machine: 'lab', dryRun: true });
  assert.match(dry.text, / {2}would delete “a” .*\n {2}keeps “b” \(bbbbbbbb\): It is pinned\.\n/);
  assert.deepEqual(JSON.parse((await run(context, ['prune', '--json'])).text), pruned);
});

test('ckpt space tells what each checkpoint takes and frees', async (context) => {
  assert.equal(
    (await run(context, ['space', 'lab'])).text,
    [
      'lab  5.0 GiB',
      '  Now: 1.0 GiB',
      '  “a” (aaaaaaaa): deleting it frees 1.0 MiB to 1.0 GiB, as the merge shows; 1.0 GiB shared',
      '  all checkpoints: 1.0 MiB to 1.0 GiB, as the merge shows',
      '  trash: 1.0 MiB',
      '  free on its volume: 7.0 GiB',
    ].join('\n'),
  );
});

test('ckpt free-space tells what went, or would go', async (context) => {
  const { text, asked } = await run(context, ['free-space', 'lab', '--dry-run']);
  assert.deepEqual(asked, { machine: 'lab', dryRun: true });
  assert.equal(
    text,
    'lab  1.0 MiB: from the trash “a”, “b”; kept states “Before applying “a””\n1.0 MiB would be freed.',
  );
  assert.match((await run(context, ['free-space'])).text, /1\.0 MiB were freed\.$/);
});
