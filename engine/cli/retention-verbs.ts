import { Option, type Command } from 'commander';
import type { Call } from '../checkpoints/engine-context.ts';
import type { Engine } from '../engine.ts';
import { formatSize } from '../model/size.ts';
import {
  keepRules,
  type PrunedMachine,
  type RetentionOperations,
  type RetentionPolicy,
} from '../protocol/retention.ts';
import type { FreedBytes, FreedMachine, MachineSpace, SpaceOperations } from '../protocol/space.ts';
import { size, wholeNumber } from './number-options.ts';
import type { Output } from './output.ts';
import { pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

type RetentionAndSpace = RetentionOperations & SpaceOperations;
type Name = keyof RetentionAndSpace;

/** What the verbs call, and how their parameters are checked. */
export interface RetentionCalls {
  parse: <K extends Name>(operation: K, params: unknown) => RetentionAndSpace[K]['params'];
  service: (engine: Engine) => {
    [K in Name]: (params: RetentionAndSpace[K]['params'], call: Call) => Promise<RetentionAndSpace[K]['result']>;
  };
}

type Options = CommonOptions & Record<string, unknown>;

/**
 * `ckpt policy`, `ckpt prune`, `ckpt space` and `ckpt free-space`.
 * @param fail called when a machine could not be pruned, or not be looked at
 */
export function addRetentionVerbs(program: Command, output: Output, calls: RetentionCalls, fail: () => void): void {
  const verb = (usage: string, description: string): Command => newVerb(program, usage, description);
  const { parse, service } = calls;

  const policy = verb('policy <machine>', 'show which checkpoints a machine keeps, or set that anew with the options');
  for (const [flag, what] of [
    ['keep-last', 'the newest so many of the automatic checkpoints'],
    ['hourly', 'the newest of each of so many hours'],
    ['daily', 'the newest of each of so many days'],
    ['weekly', 'the newest of each of so many weeks'],
    ['monthly', 'the newest of each of so many months'],
  ]) {
    policy.addOption(new Option(`--${flag} <number>`, `keep ${what}`).argParser(wholeNumber));
  }
  policy
    .addOption(new Option('--max-size <bytes>', 'what all its checkpoints may cost, such as 20G').argParser(size))
    .addOption(new Option('--minimum <number>', 'delete nothing below this many checkpoints').argParser(wholeNumber))
    .option('--include-named', 'the rules also delete what a person made or named')
    .addOption(new Option('--age-by <time>', 'time that counts: always, or while it runs').choices(['wall', 'running']))
    .addOption(new Option('--off', 'no policy: only what expires is deleted').conflicts(ruleOptions))
    .action((machine: string, options: Options) =>
      runVerb(output, options, async (engine, call) => {
        const changed = policyOf(options);
        const params = parse('policy', { machine, ...(changed === undefined ? {} : { policy: changed }) });
        const result = await service(engine).policy(params, call);
        output.result(result, policyText(result.machine, result.policy));
      }),
    );

  verb('prune [machine]', 'delete what expired and what the policy does not keep, of all machines or of one')
    .option('--dry-run', 'only tell what would be deleted and kept, and why')
    .action((machine: string | undefined, options: Options) =>
      runVerb(output, options, async (engine, call) => {
        const params = parse('prune', { ...(machine === undefined ? {} : { machine }), ...pick(options, ['dryRun']) });
        const pruned = await service(engine).prune(params, call);
        const failures = pruned.failed.map((one) => `${one.machine}: ${one.message} [${one.code}]`);
        const lines = pruned.machines.flatMap((one) => prunedText(one, pruned.isDryRun));
        const nothing = lines.length === 0 && failures.length === 0 ? ['Nothing is to be deleted.'] : [];
        output.result(pruned, [...lines, ...failures, ...nothing].join('\n'));
        if (failures.length > 0) {
          fail();
        }
      }),
    );

  addFreeSpace(program, output, calls, fail);

  verb(
    'space [machine]',
    'show what machines and checkpoints take on the disk, and what deleting them would free',
  ).action((machine: string | undefined, options: Options) =>
    runVerb(output, options, async (engine, call) => {
      const shown = await service(engine).space(parse('space', machine === undefined ? {} : { machine }), call);
      const failures = shown.failed.map((one) => `${one.machine}: ${one.message} [${one.code}]`);
      const lines = shown.machines.flatMap((one) => [
        ...spaceText(one),
        `  free on its volume: ${formatSize(one.freeBytes)}`,
      ]);
      const warnings = (shown.warnings ?? []).map(({ message }) => `! ${message} (ckpt free-space)`);
      output.result(shown, [...lines, ...warnings, ...failures].join('\n'));
      if (failures.length > 0) {
        fail();
      }
    }),
  );
}

const freeSpaceHelp = 'discard at once what is kept only in case: the trash, and what apply, undo and redo kept';

function addFreeSpace(program: Command, output: Output, { parse, service }: RetentionCalls, fail: () => void): void {
  newVerb(program, 'free-space [machine]', freeSpaceHelp)
    .option('--dry-run', 'only tell what would be discarded, and how many bytes that frees')
    .action((machine: string | undefined, options: Options) =>
      runVerb(output, options, async (engine, call) => {
        const named = machine === undefined ? {} : { machine };
        const freed = await service(engine).freeSpace(
          parse('freeSpace', { ...named, ...pick(options, ['dryRun']) }),
          call,
        );
        const lines = freed.machines.map(
          (one) => `${one.machine}  ${formatSize(one.freedBytes)}: ${discardedText(one)}`,
        );
        const failures = freed.failed.map((one) => `${one.machine}: ${one.message} [${one.code}]`);
        const total = `${formatSize(freed.freedBytes)} ${freed.isDryRun ? 'would be' : 'were'} freed.`;
        output.result(freed, [...lines, ...failures, total].join('\n'));
        if (failures.length > 0) {
          fail();
        }
      }),
    );
}

function discardedText({ trash, kept }: FreedMachine): string {
  const named = (names: readonly string[]): string => names.map((name) => `“${name}”`).join(', ');
  return [
    ...(trash.length === 0 ? [] : [`from the trash ${named(trash)}`]),
    ...(kept.length === 0 ? [] : [`kept states ${named(kept)}`]),
  ].join('; ');
}

const ruleOptions = [...keepRules, 'maxSize', 'minimum', 'includeNamed', 'ageBy'];

/** The policy that the options describe, whole; undefined when there are none. */
function policyOf(options: Options): Record<string, unknown> | undefined {
  if (options['off'] === true) {
    return {};
  }
  const { maxSize, ...rules } = pick(options, ruleOptions);
  const policy = { ...rules, ...(maxSize === undefined ? {} : { maxBytes: maxSize }) };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

const countNames = {
  keepLast: 'last',
  hourly: 'hourly',
  daily: 'daily',
  weekly: 'weekly',
  monthly: 'monthly',
} as const;

function policyText(machine: string, policy: RetentionPolicy): string {
  const counts = keepRules.flatMap((rule) =>
    policy[rule] === undefined ? [] : [`${countNames[rule]} ${policy[rule]}`],
  );
  const rules = [
    ...(counts.length === 0 ? [] : [`keeps ${counts.join(', ')}`]),
    ...(policy.maxBytes === undefined ? [] : [`lets checkpoints cost ${formatSize(policy.maxBytes)}`]),
    ...(policy.minimum === undefined ? [] : [`always keeps ${policy.minimum}`]),
    ...(policy.includeNamed === true ? ['also deletes what a person named'] : []),
    ...(policy.ageBy === 'running' ? ['counts only the time that it runs'] : []),
  ];
  return rules.length === 0
    ? `“${machine}” has no policy: only what expires is deleted.`
    : `“${machine}” ${rules.join('; ')}.`;
}

/** A dry run also tells what stays, and why. */
function prunedText({ machine, deleted, kept, notes }: PrunedMachine, isDryRun: boolean): string[] {
  const gone = deleted.map(
    (one) =>
      `  ${isDryRun ? 'would delete' : 'deleted'} “${one.name}” (${one.id.slice(0, 8)}), up to ${formatSize(one.freedBytes)}: ${one.reason}`,
  );
  const staying = isDryRun ? kept.map((one) => `  keeps “${one.name}” (${one.id.slice(0, 8)}): ${one.reason}`) : [];
  const lines = [...gone, ...staying, ...notes.map((note) => `  ${note}`)];
  return lines.length === 0 ? [] : [machine, ...lines];
}

function spaceText(space: MachineSpace): string[] {
  return [
    `${space.machine}  ${formatSize(space.totalBytes)}`,
    `  Now: ${formatSize(space.nowBytes)}`,
    ...space.checkpoints.map(
      ({ id, name, exclusive, sharedBytes }) =>
        `  “${name}” (${id.slice(0, 8)}): deleting it frees ${freedText(exclusive)}; ${formatSize(sharedBytes)} shared`,
    ),
    ...(space.checkpoints.length === 0 ? [] : [`  all checkpoints: ${freedText(space.allCheckpoints)}`]),
    ...(space.trash.mostBytes === 0 ? [] : [`  trash: ${freedText(space.trash)}`]),
    ...(space.unusedBytes === 0 ? [] : [`  used by nothing: ${formatSize(space.unusedBytes)}`]),
  ];
}

function freedText({ leastBytes, mostBytes }: FreedBytes): string {
  return leastBytes === mostBytes
    ? formatSize(leastBytes)
    : `${formatSize(leastBytes)} to ${formatSize(mostBytes)}, as the merge shows`;
}
