/** Questions before something is changed. What they say would happen is the engine's own plan of it. */
import * as vscode from 'vscode';
import type { OperationPlan, PlannedLoss, PlannedOperation, PlanStep } from '../../engine/protocol/plans.ts';
import type { Params } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import { localTime } from '../presentation/age.ts';
import { formatSize } from '../presentation/size.ts';
import { perform } from './perform.ts';
import type { WayOut } from './ways-out.ts';

export interface PlanQuestion<K extends PlannedOperation> {
  operation: K;
  params: Params<K>;
  question: string;
  /** Said before the plan. */
  introduction?: string;
  button: string;
  /** As of {@link Operation}, when the engine would refuse. */
  waysOut?: Partial<Record<WayOut, () => unknown>>;
}

/** @returns whether the user agreed; false, too, when the engine would refuse, which the user was told then */
export async function agreesToPlan<K extends PlannedOperation>(
  context: CheckpointsContext,
  { operation, params, question, introduction, button, waysOut }: PlanQuestion<K>,
): Promise<boolean> {
  const plan = await perform(context, {
    name: 'plan',
    params: { operation, params: { ...params } },
    title: vscode.l10n.t('Finding out what would happen…'),
    ...(waysOut === undefined ? {} : { waysOut }),
  });
  if (plan === undefined) {
    return false;
  }
  const detail = [...(introduction === undefined ? [] : [introduction]), planText(plan)].join('\n\n');
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, button)) === button;
}

/** What a plan says, a line for each thing that a person decides by. */
export function planText({ steps, losses, space }: OperationPlan): string {
  const { freed, freeBytes, neededBytes } = space;
  const lines = [
    ...steps.flatMap((step) =>
      step.kind === 'recover' ? [vscode.l10n.t('What was interrupted before is ended first.')] : [],
    ),
    ...trashLines(steps),
    ...keptLines(steps),
    ...lossLines(losses),
    ...nextLines(steps),
    ...mergeLines(steps),
    ...processLines(steps),
    ...(neededBytes === 0
      ? []
      : [vscode.l10n.t('Needs up to {0}; {1} is free.', formatSize(neededBytes), formatSize(freeBytes))]),
    ...(freed.mostBytes === 0
      ? []
      : [
          freed.leastBytes === freed.mostBytes
            ? vscode.l10n.t('Frees {0}.', formatSize(freed.mostBytes))
            : vscode.l10n.t('Frees {0} to {1}.', formatSize(freed.leastBytes), formatSize(freed.mostBytes)),
        ]),
  ];
  return (lines.length === 0 ? [vscode.l10n.t('Nothing would change.')] : lines).join('\n');
}

function trashLines(steps: readonly PlanStep[]): string[] {
  const trashed = steps.filter((step) => step.kind === 'trash');
  const [first] = trashed;
  return first === undefined
    ? []
    : [
        vscode.l10n.t(
          'To the trash, restorable until {1}: {0}.',
          listed(trashed.map(({ point }) => point.name)),
          localTime(first.until),
        ),
      ];
}

function keptLines(steps: readonly PlanStep[]): string[] {
  return steps.flatMap((step) =>
    step.kind === 'create' && step.what === 'checkpoint' && step.until !== undefined
      ? [
          vscode.l10n.t(
            'What {0} is now is kept until {1} as “{2}”, so this can be undone.',
            step.machine === undefined ? vscode.l10n.t('Now') : `“${step.machine}”`,
            localTime(step.until),
            step.point.name,
          ),
        ]
      : [],
  );
}

function lossLines(losses: readonly PlannedLoss[]): string[] {
  return losses.length === 0
    ? []
    : [vscode.l10n.t('Lost for good, which cannot be undone: {0}.', losses.map(lossText).join(', '))];
}

function lossText({ what, name }: PlannedLoss): string {
  switch (what) {
    case 'now':
      return vscode.l10n.t('what “{0}” is now', name);
    case 'memory':
      return vscode.l10n.t('the memory of “{0}”', name);
    case 'machine':
      return vscode.l10n.t('the machine “{0}” with its disks', name);
    case 'checkpoint':
      return `“${name}”`;
  }
}

/** What hangs from another checkpoint afterwards, where something is deleted. */
function nextLines(steps: readonly PlanStep[]): string[] {
  if (!steps.some((step) => step.kind === 'trash' || (step.kind === 'remove' && step.what === 'checkpoint'))) {
    return [];
  }
  return steps.flatMap((step) => {
    if (step.kind !== 'attach') {
      return [];
    }
    const who = step.point === 'now' ? vscode.l10n.t('Now') : `“${step.point.name}”`;
    return [
      step.parent === undefined
        ? vscode.l10n.t('{0} then hangs from no checkpoint.', who)
        : vscode.l10n.t('{0} then hangs from “{1}”.', who, step.parent.name),
    ];
  });
}

function mergeLines(steps: readonly PlanStep[]): string[] {
  const merges = steps.filter((step) => step.kind === 'merge' || step.kind === 'fill');
  const bytes = merges.reduce((sum, step) => sum + step.bytes, 0);
  const isFilled = merges.some(({ kind }) => kind === 'fill');
  return merges.length === 0
    ? []
    : [
        isFilled
          ? vscode.l10n.t('Up to {0} is copied into it from outside of its folder.', formatSize(bytes))
          : vscode.l10n.t('Layers are merged: up to {0} is moved.', formatSize(bytes)),
      ];
}

function processLines(steps: readonly PlanStep[]): string[] {
  const does = steps.flatMap((step) => (step.kind === 'process' ? [step.does] : []));
  if (does.includes('start')) {
    return [vscode.l10n.t('The machine will be running, from its saved memory.')];
  }
  return does.includes('end') ? [vscode.l10n.t('No memory is restored: the machine will be stopped.')] : [];
}

function listed(names: readonly string[]): string {
  return names.map((name) => `“${name}”`).join(', ');
}
