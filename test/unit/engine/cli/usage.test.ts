import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { diskOperationNames } from '../../../../engine/protocol/disks.ts';
import { operationNames, type OperationName } from '../../../../engine/protocol/operations.ts';
import { plannedOperations } from '../../../../engine/protocol/plans.ts';
import { version } from '../../../../engine/version.ts';
import { runCkpt } from '../../../support/ckpt.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { printedError } from './refusals.ts';

const home = folderOfSuite();
const listed = z.object({
  hosts: z.array(z.object({ id: z.string(), available: z.boolean(), machines: z.array(z.unknown()) })),
});

/** Verbs that are not the operation's own name. */
const verbOf: Partial<Record<OperationName, string>> = {
  addMachine: 'add',
  saveState: 'save',
  emptyTrash: 'trash empty',
  followJob: 'jobs follow',
  cancelJob: 'jobs cancel',
  resumeJob: 'jobs resume',
  guardBegin: 'guard',
  guardEnd: 'end-guard',
  guestExec: 'exec',
  groupList: 'group list',
  groupTake: 'group take',
  groupApply: 'group apply',
  groupDelete: 'group delete',
};

/** The verb of each operation; an engine says what it is by `--version`. */
const verbs = operationNames
  .filter((name) => name !== 'about' && name !== 'plan' && !name.startsWith('disk'))
  .map(verbNamed);

/** Those on images; serving ends with the process. */
const diskVerbs = diskOperationNames.filter((name) => name !== 'diskStopServing').map(verbNamed);

function verbNamed(name: OperationName): string {
  return name.startsWith('disk')
    ? name.replace('disk', 'disk ').toLowerCase()
    : (verbOf[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
}

test('--help → every verb, exit code 0', async () => {
  const { code, stdout, stderr } = await runCkpt(home, ['--help']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const verb of [...verbs, 'console']) {
    assert.match(stdout, new RegExp(`^  ${verb.split(' ', 1)[0]}\\b`, 'm'));
  }
  assert.doesNotMatch(stdout, /^ {2}(?:serve|job) /m, 'what only an editor or the engine itself uses is not shown');
});

for (const verb of [...verbs, ...diskVerbs, 'console']) {
  test(`${verb} --help → how it is used, with --json and --home, exit code 0`, async () => {
    const { code, stdout, stderr } = await runCkpt(home, [...verb.split(' '), '--help']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^Usage: ckpt ${verb}\\b`));
    assert.match(stdout, /--json/);
    assert.match(stdout, /--home/);
  });
}

for (const operation of plannedOperations) {
  const verb = verbNamed(operation);
  test(`${verb} --help → that it can tell what it would do`, async () => {
    assert.match((await runCkpt(home, [...verb.split(' '), '--help'])).stdout, /--dry-run/);
  });
}

test('--version → the version, exit code 0', async () => {
  assert.deepEqual(await runCkpt(home, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('a verb that succeeds → exit code 0, one JSON object or text', async () => {
  const json = await runCkpt(home, ['list', '--json']);
  assert.equal(json.code, 0);
  const { hosts } = listed.parse(JSON.parse(json.stdout));
  assert.deepEqual(hosts, [
    { id: 'qemu', available: true, machines: [] },
    { id: 'disks', available: true, machines: [] },
  ]);
  const text = await runCkpt(home, ['list']);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /^Local \(QEMU\) .*\n {2}No machines yet/);
});

const misuses: [what: string, args: string[]][] = [
  ['no verb', []],
  ['an unknown verb', ['destroy']],
  ['an unknown option', ['list', '--force']],
  ['a missing argument', ['take']],
  ['an argument too many', ['list', 'lab']],
  ['an option without its value', ['take', 'lab', '--name']],
  ['a disk that is not given', ['add', 'lab']],
  ['memory that is no number', ['add', 'lab', '--disk', '/x', '--memory', '1G']],
  ['memory below nothing', ['add', 'lab', '--disk', '/x', '--memory=-5']],
  ['half a processor', ['add', 'lab', '--disk', '/x', '--cpus', '0.5']],
  ['a time that is no number', ['stop', 'lab', '--timeout', 'soon']],
  ['a server without its transport', ['serve']],
];
for (const [what, args] of misuses) {
  test(`${what} → exit code 2, and says why`, async () => {
    const text = await runCkpt(home, args);
    assert.deepEqual([text.code, text.stdout], [2, '']);
    assert.notEqual(text.stderr, '');
    const [verb, ...rest] = args;
    if (verb !== undefined && verb !== 'serve') {
      const json = await runCkpt(home, [verb, '--json', ...rest]);
      assert.deepEqual([json.code, json.stderr], [2, '']);
      assert.equal(printedError({ ...json, stdout: withFullStop(json.stdout) }).code, 'InvalidArgument');
    }
  });
}

/** The command line parser's own sentences end without one. */
function withFullStop(json: string): string {
  return json.replace(/"message":"((?:[^"\\]|\\.)*?)\.?"/, '"message":"$1."');
}
