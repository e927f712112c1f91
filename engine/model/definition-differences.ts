import type { SettingDifference } from '../protocol/compare.ts';
import type { MachineDefinition } from './machine.ts';

/** What differs between two definitions of one machine, in the order of their settings. */
export function definitionDifferences(checkpoint: MachineDefinition, other: MachineDefinition): SettingDifference[] {
  const [ofCheckpoint, ofOther] = [settingsOf(checkpoint), settingsOf(other)];
  return [...new Set([...ofCheckpoint.keys(), ...ofOther.keys()])].flatMap((setting) => {
    const [a, b] = [ofCheckpoint.get(setting), ofOther.get(setting)];
    return a === b
      ? []
      : [{ setting, ...(a === undefined ? {} : { checkpoint: a }), ...(b === undefined ? {} : { other: b }) }];
  });
}

/** Settings by their path; disks go by their id. In which group the machine is shown is none. */
function settingsOf({ disks, group: _, ...machine }: MachineDefinition): Map<string, string> {
  const found = new Map<string, string>();
  collect(found, '', machine);
  for (const { id, ...disk } of disks) {
    collect(found, `disks.${id}.`, disk);
  }
  return found;
}

function collect(found: Map<string, string>, path: string, object: object): void {
  const members: [string, unknown][] = Object.entries(object);
  for (const [name, value] of members) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      collect(found, `${path}${name}.`, value);
    } else if (value !== undefined) {
      found.set(`${path}${name}`, typeof value === 'string' ? value : JSON.stringify(value));
    }
  }
}
