/** Puts into words what the page of a machine shows. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { EngineState } from '../engine/engine.ts';
import { checkpointFacts, sizeFacts, type NamedFact } from '../machines/checkpoint-facts.ts';
import { faceOf } from '../machines/made-through.ts';
import { colourText, describeMachine, firmwareText } from '../machines/descriptions.ts';
import { guardState } from '../machines/guard-text.ts';
import { obstacle, parentOfNow } from '../machines/possible.ts';
import { age, expiry } from '../presentation/age.ts';
import { formatSize } from '../presentation/size.ts';
import { freedText } from '../report/space-report.ts';
import { checkpointActions, machineActions, nowActions } from './actions.ts';
import { disksModel } from './disks-model.ts';
import { edgeSize, leastSize } from './edge-size.ts';
import { historyModel } from './history-model.ts';
import type { Measured, Space } from './measure.ts';
import type { DetailsModel, Fact, GuardedPair, MachineSummary, Point, PointShape } from './page-model.ts';
import { nowId } from './page-model.ts';
import { pageTexts } from './page-texts.ts';
import { spaceModel } from './space-model.ts';

export interface DetailsFacts {
  /** Absent while it is not known, and when it is gone. */
  machine: MachineInfo | undefined;
  /** The engine has said what machines there are. */
  isListed: boolean;
  engine: EngineState;
  isTrusted: boolean;
  /** Absent until it was measured. */
  measured?: Measured;
  /** By checkpoint, what its console showed, as far as it was asked for. */
  consoles?: ReadonlyMap<string, string>;
}

export function detailsModel(facts: DetailsFacts): DetailsModel {
  const { machine } = facts;
  return {
    ...(machine === undefined ? {} : { machine: summary(machine, facts) }),
    notices: notices(facts),
    texts: pageTexts(),
  };
}

function notices({ machine, isListed, engine, isTrusted, measured }: DetailsFacts): string[] {
  return [
    ...(engine.kind === 'failed'
      ? [vscode.l10n.t('The engine is not running, so this may be out of date. {0}', engine.reason)]
      : []),
    ...(isListed || engine.kind === 'failed' ? [] : [vscode.l10n.t('The engine is starting…')]),
    ...(isListed && machine === undefined ? [vscode.l10n.t('This machine is not there any more.')] : []),
    ...(machine?.problem === undefined ? [] : [machine.problem]),
    ...(machine === undefined ? [] : (measured?.problems ?? [])),
    ...(isTrusted ? [] : [vscode.l10n.t('This workspace is not trusted: nothing is started or changed until it is.')]),
  ];
}

function summary(machine: MachineInfo, { measured, isTrusted, consoles }: DetailsFacts): MachineSummary {
  const space = measured?.space;
  const byId = new Map(machine.checkpoints.map((checkpoint) => [checkpoint.id, checkpoint]));
  const takes = new Map(space?.checkpoints.map((one) => [one.id, one]));
  const pairs = machine.checkpoints.flatMap((after) => pairOf(machine, byId, after));
  const framed = new Set(pairs.map(({ before }) => before));
  return {
    name: machine.name,
    state: describeMachine(machine),
    actions: isTrusted ? machineActions(machine) : [],
    canAnnotate: isTrusted && obstacle('annotate', machine) === undefined,
    points: [
      ...machine.checkpoints.map((checkpoint) =>
        checkpointPoint(machine, checkpoint, {
          grewFrom: byId.get(checkpoint.parent ?? ''),
          takes: takes.get(checkpoint.id),
          face: faceOf(checkpoint, measured?.changes ?? []),
          shown: consoles?.get(checkpoint.id),
          isPair: framed.has(checkpoint.id),
          isTrusted,
        }),
      ),
      nowPoint(machine, space, isTrusted),
    ],
    pairs,
    ...(measured?.layers === undefined ? {} : { disks: disksModel(machine, measured.layers) }),
    ...(space === undefined ? {} : { space: spaceModel(machine, space) }),
    ...(measured === undefined ? {} : { history: historyModel(machine, measured.changes, measured.jobs) }),
  };
}

interface PointFacts {
  grewFrom: CheckpointInfo | undefined;
  takes: Space['checkpoints'][number] | undefined;
  /** The program that made it, where that is known. */
  face: string | undefined;
  /** On its console. */
  shown: string | undefined;
  /** It is the first of a guarded pair, which has a frame. */
  isPair: boolean;
  isTrusted: boolean;
}

function checkpointPoint(
  machine: MachineInfo,
  checkpoint: CheckpointInfo,
  { grewFrom, takes, face, shown, isPair, isTrusted }: PointFacts,
): Point {
  const { id, name, colour, expires } = checkpoint;
  const guard = guardState(machine, checkpoint);
  return {
    id,
    ...(grewFrom === undefined ? {} : { parent: grewFrom.id }),
    name,
    shape: shapeOf(checkpoint),
    ...(colour === undefined ? {} : { colour }),
    line: [
      age(checkpoint.created),
      ...(colour === undefined ? [] : [colourText(colour)]),
      ...(expires === undefined ? [] : [expiry(expires)]),
      // What a pair is framed for is told by its frame.
      ...(guard === undefined || isPair ? [] : [guard]),
    ].join(' · '),
    more: [
      ...(checkpoint.hasMemory ? [vscode.l10n.t('with memory')] : []),
      ...(checkpoint.pinned === true ? [vscode.l10n.t('pinned')] : []),
      ...(grewFrom === undefined ? [] : [vscode.l10n.t('grown from {0}', grewFrom.name)]),
      ...(guard !== undefined && isPair ? [guard] : []),
      ...(takes === undefined ? [] : [vscode.l10n.t('takes {0} alone', freedText(takes.exclusive))]),
    ].join(', '),
    ...(takes === undefined ? {} : { size: edgeSize(takes.exclusive) }),
    facts: known([...sizeFacts(takes), ...checkpointFacts(machine, checkpoint, grewFrom, face)]),
    ...(shown === undefined ? {} : { console: shown }),
    notes: checkpoint.notes ?? '',
    actions: isTrusted ? checkpointActions(machine, checkpoint) : [],
  };
}

function nowPoint(machine: MachineInfo, space: Space | undefined, isTrusted: boolean): Point {
  const grewFrom = parentOfNow(machine);
  const description = describeMachine(machine);
  return {
    id: nowId,
    ...(grewFrom === undefined ? {} : { parent: grewFrom.id }),
    name: vscode.l10n.t('Now'),
    shape: 'now',
    line: description,
    more: grewFrom === undefined ? '' : vscode.l10n.t('grown from {0}', grewFrom.name),
    ...(space === undefined ? {} : { size: leastSize(space.nowBytes) }),
    facts: known([
      [vscode.l10n.t('State'), description],
      [vscode.l10n.t('Busy'), machine.busy && `${machine.busy.operation} (${machine.busy.holder})`],
      [vscode.l10n.t('Grew from'), grewFrom?.name],
      [vscode.l10n.t('Takes alone'), space && formatSize(space.nowBytes)],
      [vscode.l10n.t('Memory'), machine.memoryBytes === undefined ? undefined : formatSize(machine.memoryBytes)],
      [
        vscode.l10n.t('Saved state'),
        machine.now.savedMemoryBytes === undefined ? undefined : formatSize(machine.now.savedMemoryBytes),
      ],
      [vscode.l10n.t('CPUs'), machine.cpus?.toString()],
      [vscode.l10n.t('Firmware'), firmwareText(machine)],
      [vscode.l10n.t('Process'), machine.pid?.toString()],
      [vscode.l10n.t('Log'), machine.hypervisorLog],
      [vscode.l10n.t('Folder'), machine.folder],
    ]),
    actions: isTrusted ? nowActions(machine) : [],
  };
}

function pairOf(machine: MachineInfo, byId: ReadonlyMap<string, CheckpointInfo>, after: CheckpointInfo): GuardedPair[] {
  const before = byId.get(after.guardOf ?? '');
  return before === undefined || after.parent !== before.id
    ? []
    : [{ before: before.id, after: after.id, text: guardState(machine, before) ?? '' }];
}

function shapeOf({ pinned, expires, hasMemory }: CheckpointInfo): PointShape {
  if (pinned === true) {
    return 'pinned';
  }
  if (expires !== undefined) {
    return 'expiring';
  }
  return hasMemory ? 'memory' : 'disks';
}

function known(facts: readonly NamedFact[]): Fact[] {
  return facts.flatMap(([label, value]) => (value === undefined ? [] : [{ label, value }]));
}
