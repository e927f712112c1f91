/** The questions that creating and adding a machine have in common: its name, memory and CPUs. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import type { Step, TextQuestion } from '../../input/steps.ts';
import { textStep } from '../../input/steps.ts';
import { nameProblemText } from '../../naming/name-input.ts';
import { machineNameProblem } from '../../naming/names.ts';

export interface NewMachine {
  name: string;
  memoryMiB: number;
  cpus: number;
}

export const defaultHardware = { memoryMiB: 1024, cpus: 1 } as const;

/** Steps that fill in the draft, which already holds what to offer. */
export function newMachineSteps(context: CheckpointsContext, draft: NewMachine): Step[] {
  return [
    (position) =>
      textStep(position, machineNameQuestion(context, draft.name), (value) => {
        draft.name = value;
      }),
    (position) =>
      textStep(
        position,
        {
          prompt: vscode.l10n.t('Memory in MiB'),
          value: String(draft.memoryMiB),
          problem: (value) => wholeNumberProblem(value, 16, 1_048_576),
        },
        (value) => {
          draft.memoryMiB = Number(value);
        },
      ),
    (position) =>
      textStep(
        position,
        {
          prompt: vscode.l10n.t('Number of CPUs'),
          value: String(draft.cpus),
          problem: (value) => wholeNumberProblem(value, 1, 255),
        },
        (value) => {
          draft.cpus = Number(value);
        },
      ),
  ];
}

/** Asks for the name of a machine that is not there yet. */
export function machineNameQuestion(context: CheckpointsContext, value: string): TextQuestion {
  const taken = new Set(context.machines.machines.map(({ name }) => name.toLowerCase()));
  return {
    prompt: vscode.l10n.t('Name of the machine, which is also the name of its folder'),
    value,
    problem: (typed) =>
      taken.has(typed.trim().toLowerCase())
        ? vscode.l10n.t('There is a machine “{0}” already.', typed.trim())
        : nameProblemText(machineNameProblem(typed)),
  };
}

/** A name that no machine has yet: the one given, or the same with a number. */
export function freeName(machines: readonly MachineInfo[], wanted: string): string {
  const taken = new Set(machines.map(({ name }) => name.toLowerCase()));
  let name = wanted;
  for (let number = 2; taken.has(name.toLowerCase()); number += 1) {
    name = `${wanted}-${number}`;
  }
  return name;
}

export async function askDiskFile(openLabel: string): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({
    openLabel,
    title: vscode.l10n.t('Choose a disk image'),
    filters: diskFilters(),
  });
  return files?.[0]?.fsPath;
}

/** @returns none when the user dismissed the question */
export async function askDiskFiles(): Promise<string[]> {
  const files = await vscode.window.showOpenDialog({
    openLabel: vscode.l10n.t('Add Disk Images'),
    title: vscode.l10n.t('Choose the disk images of one machine, the first disk first'),
    canSelectMany: true,
    filters: diskFilters(),
  });
  return (files ?? []).map(({ fsPath }) => fsPath);
}

function diskFilters(): Record<string, string[]> {
  return {
    [vscode.l10n.t('Disk images')]: ['qcow2', 'img', 'raw', 'vhd', 'vhdx', 'vmdk', 'vdi'],
    [vscode.l10n.t('All files')]: ['*'],
  };
}

/** Says that the machine is there, and offers to start it. */
export function tellCreated(machine: MachineInfo, login: string | undefined): void {
  const start = vscode.l10n.t('Start Machine');
  const created = vscode.l10n.t('Created “{0}”.', machine.name);
  void vscode.window
    .showInformationMessage(login === undefined ? created : vscode.l10n.t('{0} Log in: {1}', created, login), start)
    .then((choice) => choice && vscode.commands.executeCommand('vmCheckpoints.start', { machine: machine.id }));
}

function wholeNumberProblem(value: string, least: number, most: number): string | undefined {
  const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  return number >= least && number <= most
    ? undefined
    : vscode.l10n.t('Enter a whole number from {0} to {1}.', least, most);
}
