/** Which checkpoints a machine keeps by itself: a list of rules to change, with a preview of what they would delete. */
import * as vscode from 'vscode';
import type { RetentionPolicy } from '../../../engine/protocol/retention.ts';
import type { CheckpointsContext } from '../../context.ts';
import type { CountRule } from '../../machines/retention-rules.ts';
import { parseCount, parseSize, withCount } from '../../machines/retention-rules.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';
import { previewPrune } from './prune.ts';

interface RuleItem extends vscode.QuickPickItem {
  /** @returns the changed policy; undefined when the question was dismissed */
  change?: (policy: RetentionPolicy) => Promise<RetentionPolicy | undefined>;
  isSave?: true;
}

export const editPolicy: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'editPolicy',
    vscode.l10n.t('Set which checkpoints are kept of which machine?'),
  );
  const shown = machine && (await context.engine.request('policy', { machine: machine.name }));
  const policy = shown && (await askRules(machine.name, shown.policy));
  if (machine === undefined || policy === undefined) {
    return undefined;
  }
  const saved = await perform(context, {
    name: 'policy',
    params: { machine: machine.name, policy },
    title: vscode.l10n.t('Saving what “{0}” keeps…', machine.name),
  });
  if (saved !== undefined) {
    await tellSaved(context, machine.name);
  }
  return saved;
};

/** @returns the policy to save; undefined when the user dismissed the list */
async function askRules(machine: string, before: RetentionPolicy): Promise<RetentionPolicy | undefined> {
  let policy = before;
  for (;;) {
    const picked = await vscode.window.showQuickPick(ruleItems(policy), {
      title: vscode.l10n.t('What “{0}” Keeps', machine),
      placeHolder: vscode.l10n.t('Choose a rule to change it, then save'),
      ignoreFocusOut: true,
    });
    if (picked === undefined) {
      return undefined;
    }
    if (picked.isSave === true) {
      return policy;
    }
    policy = (await picked.change?.(policy)) ?? policy;
  }
}

function ruleItems(policy: RetentionPolicy): RuleItem[] {
  const none = vscode.l10n.t('–');
  const count = (rule: CountRule, label: string, detail?: string): RuleItem => ({
    label,
    description: policy[rule]?.toString() ?? none,
    ...(detail === undefined ? {} : { detail }),
    change: async (present) => {
      const value = await askText(label, present[rule]?.toString() ?? '', parseCount, countHint());
      return value === 'dismissed' ? undefined : withCount(present, rule, value);
    },
  });
  const isOn = (value: boolean): string => (value ? vscode.l10n.t('yes') : vscode.l10n.t('no'));
  return [
    { label: vscode.l10n.t('$(save) Save'), isSave: true },
    { label: vscode.l10n.t('keep'), kind: vscode.QuickPickItemKind.Separator },
    count('keepLast', vscode.l10n.t('The newest')),
    count('hourly', vscode.l10n.t('One of each of the last hours')),
    count('daily', vscode.l10n.t('One of each of the last days')),
    count('weekly', vscode.l10n.t('One of each of the last weeks')),
    count('monthly', vscode.l10n.t('One of each of the last months')),
    { label: vscode.l10n.t('limits'), kind: vscode.QuickPickItemKind.Separator },
    {
      label: vscode.l10n.t('Space that checkpoints may take'),
      description: policy.maxBytes === undefined ? none : formatSize(policy.maxBytes),
      detail: vscode.l10n.t('Above it, the oldest go until they fit'),
      change: async (present) => {
        const { maxBytes, ...rest } = present;
        const value = await askText(
          vscode.l10n.t('Space that checkpoints may take'),
          maxBytes === undefined ? '' : formatSize(maxBytes),
          parseSize,
          vscode.l10n.t('Enter a size such as “20 GiB”, or nothing for no limit.'),
        );
        return value === 'dismissed' ? undefined : value === undefined ? rest : { ...rest, maxBytes: value };
      },
    },
    count('minimum', vscode.l10n.t('Never fewer checkpoints than')),
    { label: vscode.l10n.t('how'), kind: vscode.QuickPickItemKind.Separator },
    {
      label: vscode.l10n.t('Delete named checkpoints, too'),
      description: isOn(policy.includeNamed === true),
      detail: vscode.l10n.t('Otherwise only automatic ones go. Pinned ones never do'),
      change: ({ includeNamed, ...rest }) =>
        Promise.resolve(includeNamed === true ? rest : { ...rest, includeNamed: true }),
    },
    {
      label: vscode.l10n.t('Count only the time that the machine runs'),
      description: isOn(policy.ageBy === 'running'),
      change: ({ ageBy, ...rest }) => Promise.resolve(ageBy === 'running' ? rest : { ...rest, ageBy: 'running' }),
    },
    {
      label: vscode.l10n.t('$(clear-all) Clear all rules'),
      detail: vscode.l10n.t('Then only what expires is deleted'),
      change: () => Promise.resolve({}),
    },
  ];
}

function countHint(): string {
  return vscode.l10n.t('Enter a whole number from 1, or nothing for no rule.');
}

async function askText(
  title: string,
  value: string,
  parse: (text: string) => number | undefined | 'invalid',
  hint: string,
): Promise<number | undefined | 'dismissed'> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: hint,
    value,
    ignoreFocusOut: true,
    validateInput: (text) => (parse(text) === 'invalid' ? hint : undefined),
  });
  const parsed = typed === undefined ? 'invalid' : parse(typed);
  return parsed === 'invalid' ? 'dismissed' : parsed;
}

/** Says what the rules would delete at once, so that nobody is surprised later. */
async function tellSaved(context: CheckpointsContext, machine: string): Promise<void> {
  const plan = await context.engine.request('prune', { machine, dryRun: true });
  const count = plan.machines.reduce((sum, { deleted }) => sum + deleted.length, 0);
  const preview = vscode.l10n.t('Preview…');
  void vscode.window
    .showInformationMessage(
      count === 0
        ? vscode.l10n.t('Saved what “{0}” keeps. Nothing is to be deleted at present.', machine)
        : vscode.l10n.t(
            'Saved what “{0}” keeps. By these rules {1} of its checkpoints are to be deleted.',
            machine,
            count,
          ),
      ...(count === 0 ? [] : [preview]),
    )
    .then((choice) => (choice === preview ? previewPrune(context, { machine }) : undefined));
}
