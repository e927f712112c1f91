/** What the language features say, in the language of the editor that asks. Errors of operations are no part of this. */
import type { CheckpointInfo, MachineInfo, MachineState } from '../../protocol/machines.ts';
import type { WhyUnknown } from './launch-file.ts';

export interface LanguageTexts {
  state: Readonly<Record<MachineState, string>>;
  checkpoints: (count: number) => string;
  machine: (machine: Pick<MachineInfo, 'name' | 'state'>, count: number) => string;
  grownFrom: (checkpoint: Pick<CheckpointInfo, 'name'>) => string;
  /** Of so many checkpoints of one name, the last of them. */
  named: (count: number, last: Pick<CheckpointInfo, 'created' | 'hasMemory'>) => string;
  noMachine: (name: string) => string;
  addCheckpoint: string;
  addCheckpointOf: (machine: string) => string;
  /** Of a debug session whose first task needs a machine that there is not. */
  noMachineOfTask: (task: string, machine: string) => string;
  /** What a task takes before a debug session. */
  takesBefore: (task: string, machines: readonly string[]) => string;
  last: (machine: string, checkpoint: Pick<CheckpointInfo, 'name' | 'created'> | undefined) => string;
  checkpointOf: (machines: readonly string[]) => string;
  addToSession: string;
  addToSessionOf: (machine: string) => string;
  /** Why no checkpoint can be added before a session, with the way out. */
  firstUnknown: Readonly<Record<WhyUnknown, string>>;
}

const english: LanguageTexts = {
  state: {
    running: 'running',
    paused: 'paused',
    stopped: 'stopped',
    saved: 'saved',
    damaged: 'damaged',
    unreachable: 'not reachable',
  },
  checkpoints: (count) => `${count} checkpoint${count === 1 ? '' : 's'}`,
  machine: ({ name, state }, count) =>
    `Machine “${name}” is ${english.state[state]}, with ${english.checkpoints(count)}.`,
  grownFrom: ({ name }) => `Now grew from “${name}”.`,
  named: (count, { created, hasMemory }) =>
    `${english.checkpoints(count)} of this name; the last was taken at ${created}${hasMemory ? ', with memory' : ''}.`,
  noMachine: (name) =>
    `There is no machine “${name}”, so no checkpoint can be taken, and what waits for it does not start.`,
  addCheckpoint: 'Add checkpoint before this task',
  addCheckpointOf: (machine) => `Add checkpoint of “${machine}” before this task`,
  noMachineOfTask: (task, machine) =>
    `The task “${task}” takes a checkpoint of “${machine}”, and there is no such machine: so it fails, and the debug session does not start.`,
  takesBefore: (task, machines) =>
    `“${task}” takes a checkpoint of ${machines.map((name) => `“${name}”`).join(', ')} before the debug session starts.`,
  last: (machine, checkpoint) =>
    checkpoint === undefined
      ? `“${machine}” has none of it yet.`
      : `The last one of “${machine}” is “${checkpoint.name}”, taken at ${checkpoint.created}.`,
  checkpointOf: (machines) => `checkpoint of ${machines.join(', ')}`,
  addToSession: 'Add checkpoint before this debug session',
  addToSessionOf: (machine) => `Add checkpoint of “${machine}” before this debug session`,
  firstUnknown: {
    variable:
      'Which task runs before this session is known only once it starts. A hook (setting vmCheckpoints.hooks) takes the checkpoint before that task, whichever it is.',
    noDefaultBuildTask:
      'tasks.json marks no single default build task, so VS Code asks which to run. Mark one with "isDefault": true; or use a hook (setting vmCheckpoints.hooks), which takes the checkpoint before that task, whichever it is.',
    variableOfCompound:
      'VS Code replaces no variables in the first task of a compound, and will not find it. Name the task itself.',
  },
};

const german: LanguageTexts = {
  state: {
    running: 'läuft',
    paused: 'angehalten',
    stopped: 'ausgeschaltet',
    saved: 'gespeichert',
    damaged: 'beschädigt',
    unreachable: 'nicht erreichbar',
  },
  checkpoints: (count) => `${count} ${count === 1 ? 'Prüfpunkt' : 'Prüfpunkte'}`,
  machine: ({ name, state }, count) => `Maschine „${name}“: ${german.state[state]}, ${german.checkpoints(count)}.`,
  grownFrom: ({ name }) => `Jetzt ist aus „${name}“ hervorgegangen.`,
  named: (count, { created, hasMemory }) =>
    `${german.checkpoints(count)} dieses Namens; der letzte wurde am ${created} erstellt${hasMemory ? ', mit Arbeitsspeicher' : ''}.`,
  noMachine: (name) =>
    `Es gibt keine Maschine „${name}“; deshalb kann kein Prüfpunkt erstellt werden, und was darauf wartet, startet nicht.`,
  addCheckpoint: 'Vor dieser Aufgabe einen Prüfpunkt erstellen',
  addCheckpointOf: (machine) => `Vor dieser Aufgabe einen Prüfpunkt von „${machine}“ erstellen`,
  noMachineOfTask: (task, machine) =>
    `Die Aufgabe „${task}“ erstellt einen Prüfpunkt von „${machine}“, und diese Maschine gibt es nicht: Deshalb schlägt sie fehl, und die Debugsitzung startet nicht.`,
  takesBefore: (task, machines) =>
    `„${task}“ erstellt einen Prüfpunkt von ${machines.map((name) => `„${name}“`).join(', ')}, bevor die Debugsitzung startet.`,
  last: (machine, checkpoint) =>
    checkpoint === undefined
      ? `„${machine}“ hat davon noch keinen.`
      : `Der letzte von „${machine}“ ist „${checkpoint.name}“, erstellt am ${checkpoint.created}.`,
  checkpointOf: (machines) => `Prüfpunkt von ${machines.join(', ')}`,
  addToSession: 'Vor dieser Debugsitzung einen Prüfpunkt erstellen',
  addToSessionOf: (machine) => `Vor dieser Debugsitzung einen Prüfpunkt von „${machine}“ erstellen`,
  firstUnknown: {
    variable:
      'Welche Aufgabe vor dieser Sitzung läuft, ist erst bei ihrem Start bekannt. Ein Hook (Einstellung vmCheckpoints.hooks) erstellt den Prüfpunkt vor dieser Aufgabe, welche es auch sei.',
    noDefaultBuildTask:
      'tasks.json kennzeichnet nicht genau eine Standardbuildaufgabe, deshalb fragt VS Code, welche laufen soll. Kennzeichnen Sie eine mit "isDefault": true; oder nehmen Sie einen Hook (Einstellung vmCheckpoints.hooks), der den Prüfpunkt vor dieser Aufgabe erstellt, welche es auch sei.',
    variableOfCompound:
      'VS Code ersetzt in der ersten Aufgabe einer Kombination keine Variablen und wird sie nicht finden. Nennen Sie die Aufgabe selbst.',
  },
};

/** @param locale of the client, as in LSP's `initialize`; what is not spoken here is English */
export function languageTexts(locale: string | undefined): LanguageTexts {
  return /^de\b/i.test(locale ?? '') ? german : english;
}
