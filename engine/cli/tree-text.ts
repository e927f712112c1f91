import type { CheckpointInfo, HostInfo, MachineInfo } from '../protocol/machines.ts';

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
  return [
    [machine.name, machine.state, ...facts, ...busy, ...interrupted, ...problem].join('  '),
    ...branches(machine, undefined),
  ];
}

function branches(machine: MachineInfo, parent: string | undefined): string[] {
  const children: (CheckpointInfo | 'now')[] = machine.checkpoints.filter((checkpoint) => checkpoint.parent === parent);
  if (machine.now.parent === parent && machine.state !== 'damaged') {
    children.push('now');
  }
  return children.flatMap((child, index) => {
    const isLast = index === children.length - 1;
    const lines = child === 'now' ? ['Now'] : [checkpointLine(child), ...branches(machine, child.id)];
    return lines.map((line, row) => (row === 0 ? (isLast ? '└─ ' : '├─ ') : isLast ? '   ' : '│  ') + line);
  });
}

function checkpointLine(checkpoint: CheckpointInfo): string {
  const facts = [
    `${checkpoint.pinned === true ? '* ' : ''}${checkpoint.name}`,
    localTime(checkpoint.created),
    checkpoint.hasMemory ? 'with memory' : 'disks only',
    ...(checkpoint.expires === undefined ? [] : [`expires ${localTime(checkpoint.expires)}`]),
    checkpoint.id.slice(0, 8),
  ];
  return facts.join('  ');
}

/** Local time to the minute. */
function localTime(iso: string): string {
  const at = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
