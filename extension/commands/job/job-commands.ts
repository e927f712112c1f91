/** Long work: cancelling it, and what to do when it was interrupted. */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import type { ShownJob } from '../../machines/job-list.ts';
import { jobOperationText, progressText } from '../../machines/job-text.ts';
import { perform } from '../../operations/perform.ts';
import { JobNode } from '../../tree/job-node.ts';
import type { CommandHandler } from '../command.ts';

export const resumeJob: CommandHandler = async (context, argument) => {
  const job = await askJob(context, argument, 'interrupted', vscode.l10n.t('Resume which job?'));
  const resumed =
    job &&
    (await perform(context, {
      name: 'resumeJob',
      params: { job: job.id },
      title: vscode.l10n.t('Resuming “{0}”…', jobOperationText(job.operation)),
    }));
  await context.jobs.refresh();
  return resumed;
};

export const undoJob: CommandHandler = async (context, argument) => {
  const job = await askJob(context, argument, 'interrupted', vscode.l10n.t('Undo which job?'));
  if (job === undefined) {
    return undefined;
  }
  const button = vscode.l10n.t('Undo');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Undo “{0}”?', jobText(job)),
    {
      modal: true,
      detail: vscode.l10n.t(
        'What it began is undone, as far as the operation can be; it can be started anew afterwards.',
      ),
    },
    button,
  );
  return choice === button
    ? end(context, job, vscode.l10n.t('Undoing “{0}”…', jobOperationText(job.operation)))
    : undefined;
};

export const cancelJob: CommandHandler = async (context, argument) => {
  const job = await askJob(context, argument, 'running', vscode.l10n.t('Cancel which job?'));
  return job && end(context, job, vscode.l10n.t('Cancelling “{0}”…', jobOperationText(job.operation)));
};

async function end(context: CheckpointsContext, job: ShownJob, title: string): Promise<unknown> {
  const ended = await perform(context, { name: 'cancelJob', params: { job: job.id }, title });
  await context.jobs.refresh();
  return ended;
}

async function askJob(
  context: CheckpointsContext,
  argument: unknown,
  state: ShownJob['state'],
  question: string,
): Promise<ShownJob | undefined> {
  if (argument instanceof JobNode) {
    return argument.job;
  }
  await context.jobs.refresh();
  const jobs = context.jobs.shown.filter((job) => job.state === state);
  if (jobs.length === 0) {
    void vscode.window.showInformationMessage(
      state === 'running' ? vscode.l10n.t('No job is under way.') : vscode.l10n.t('No job was interrupted.'),
    );
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    jobs.map((job) => ({ label: jobText(job), description: progressText(job.progress), job })),
    { placeHolder: question },
  );
  return picked?.job;
}

function jobText({ operation, machine }: ShownJob): string {
  const does = jobOperationText(operation);
  return machine === undefined ? does : vscode.l10n.t('{0}: {1}', machine.name, does);
}
