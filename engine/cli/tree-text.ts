import { commandName, endText } from '../model/guard.ts';
import { formatSize } from '../model/size.ts';
import { isUnread } from '../model/unread-machine.ts';
import type { CheckpointInfo, HostInfo, MachineInfo, MachineState } from '../protocol/machines.ts';

/** The whole tree as text: hosts, machines, checkpoints, and Now under the checkpoint that it grew from. */
export function hostsText(hosts: HostInfo[]): string {
  return hosts.flatMap((host) => [hostLine(host), ...machinesText(host)]).join('\n');
}

function hostLine(host: HostInfo): string {
  const facts = [host.version, host.accelerator].filter((fact) => fact !== undefined);
  return [host.label, ...(host.available ? facts : [host.problem ?? 'not available'])].join('  ');
}

function machinesText(host: HostInfo): string[] {
  if (host.machines.length === 0) {
    return host.id === 'qemu' ? ['  No machines yet. Create one: ckpt create-machine NAME --disk IMAGE'] : [];
  }
  return host.machines.flatMap((machine) => machineText(machine).map((line) => `  ${line}`));
}

/** One machine and its tree. */
export function machineText(machine: MachineInfo): string[] {
  const { memoryBytes, cpus, trash } = machine;
  const facts = [
    ...(memoryBytes === undefined ? [] : [`${Math.round(memoryBytes / 1024 / 1024)} MiB`]),
    ...(cpus === undefined ? [] : [`${cpus} CPU${cpus === 1 ? '' : 's'}`]),
    ...(machine.firmware === 'uefi' ? ['UEFI'] : []),
    ...(machine.tpm === true ? ['TPM'] : []),
    ...(trash.length === 0 ? [] : [`${trash.length} in the trash`]),
  ];
  const busy = machine.busy === undefined ? [] : [`${machine.busy.operation} by ${machine.busy.holder}`];
  const interrupted =
    machine.interrupted === undefined
      ? []
      : [`${machine.interrupted.operation} was interrupted: ckpt jobs resume or cancel ${machine.interrupted.job}`];
  const problem = machine.problem === undefined ? [] : [machine.problem];
  const guards = (machine.guards ?? []).map(({ checkpoint, name, command, state }) =>
    state === 'running'
      ? `  guard of “${commandName(command)}” is running`
      : `  guard of “${commandName(command)}” was interrupted, and the command may have been, too: ckpt end-guard ${machine.name} ${checkpoint.slice(0, 8)} --outcome revert goes back to “${name}”, keep takes a second checkpoint`,
  );
  const log = machine.hypervisorLog === undefined ? [] : [`   Log: ${machine.hypervisorLog}`];
  return [
    [machine.name, stateText(machine.state), ...facts, ...busy, ...interrupted, ...problem].join('  '),
    ...log,
    ...guards,
    ...branches(machine, undefined),
  ];
}

function stateText(state: MachineState): string {
  return state === 'unreachable' ? 'not reachable' : state;
}

/** One checkpoint, its notes, and what its machine's console showed. */
export function checkpointText(checkpoint: CheckpointInfo, picture: string | undefined): string[] {
  const { notes, createdBy, consistency, git } = checkpoint;
  return [
    checkpointLine(checkpoint),
    `  Made by: ${createdBy}. Consistency: ${consistency}.${git === undefined ? '' : ` Git: ${git.commit}.`}`,
    ...(notes === undefined ? [] : ['Notes:', ...indented(notes)]),
    ...(picture === undefined ? [] : ['On its console then:', ...indented(picture.trimEnd())]),
  ];
}

function indented(text: string): string[] {
  return text.split('\n').map((line) => `  ${line}`);
}

function branches(machine: MachineInfo, parent: string | undefined): string[] {
  const children: (CheckpointInfo | 'now')[] = machine.checkpoints.filter((checkpoint) => checkpoint.parent === parent);
  if (machine.now.parent === parent && !isUnread(machine)) {
    children.push('now');
  }
  return children.flatMap((child, index) => {
    const isLast = index === children.length - 1;
    const lines = child === 'now' ? ['Now'] : stepLines(machine, child);
    return lines.map((line, row) => (row === 0 ? (isLast ? '└─ ' : '├─ ') : isLast ? '   ' : '│  ') + line);
  });
}

/** A checkpoint with what grew from it; the pair around a guarded command is one step, where nothing stands between the two. */
function stepLines(machine: MachineInfo, checkpoint: CheckpointInfo): string[] {
  const grown = machine.checkpoints.filter(({ parent }) => parent === checkpoint.id);
  const [after] = grown;
  const isPair = grown.length === 1 && after?.guardOf === checkpoint.id && machine.now.parent !== checkpoint.id;
  return isPair
    ? [pairLine(checkpoint, after), ...branches(machine, after.id)]
    : [checkpointLine(checkpoint), ...branches(machine, checkpoint.id)];
}

function pairLine(before: CheckpointInfo, after: CheckpointInfo): string {
  return [
    commandName(before.guard?.command ?? []),
    ...guardFacts(before),
    localTime(before.created),
    memoryText(before),
    `before ${before.id.slice(0, 8)}`,
    `after ${after.id.slice(0, 8)}`,
  ].join('  ');
}

function guardFacts({ guard }: CheckpointInfo): string[] {
  return guard === undefined
    ? []
    : ['guarded', ...(guard.end === undefined ? [] : [endText(guard.end), guard.end.outcome])];
}

function checkpointLine(checkpoint: CheckpointInfo): string {
  const facts = [
    `${checkpoint.pinned === true ? '* ' : ''}${checkpoint.name}`,
    localTime(checkpoint.created),
    memoryText(checkpoint),
    ...guardFacts(checkpoint),
    ...(checkpoint.expires === undefined ? [] : [`expires ${localTime(checkpoint.expires)}`]),
    checkpoint.id.slice(0, 8),
  ];
  return facts.join('  ');
}

function memoryText({ hasMemory, memoryFileBytes }: CheckpointInfo): string {
  const size = memoryFileBytes === undefined ? '' : ` (${formatSize(memoryFileBytes)})`;
  return hasMemory ? `with memory${size}` : 'disks only';
}

/** Local time to the minute. */
function localTime(iso: string): string {
  const at = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
