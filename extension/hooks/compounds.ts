/** Compounds of launch.json: configurations that start together. */

/** Names of the members of a list of configurations. */
export function readNames(list: unknown): string[] {
  return membersOf(list).flatMap((member) => {
    const name = typeof member === 'string' ? member : nameOf(member);
    return name === undefined ? [] : [name];
  });
}

/** Names of the configurations of each compound of a list. */
export function readCompounds(list: unknown): string[][] {
  return membersOf(list).map((member) =>
    typeof member === 'object' && member !== null && 'configurations' in member ? readNames(member.configurations) : [],
  );
}

/** Names of the configurations that start together with one, itself left out. */
export function startedWith(name: string, compounds: readonly (readonly string[])[]): string[] {
  return [...new Set(compounds.filter((compound) => compound.includes(name)).flat())].filter((one) => one !== name);
}

function membersOf(list: unknown): unknown[] {
  return Array.isArray(list) ? list : [];
}

function nameOf(member: unknown): string | undefined {
  return typeof member === 'object' && member !== null && 'name' in member && typeof member.name === 'string'
    ? member.name
    : undefined;
}
