/** A tree as it is written in the tables of `semantics-table.ts`. */
export interface Node {
  label: string;
  children: Node[];
}

/** Reads `A(B C(Now))`. */
export function parseTree(text: string): Node[] {
  const stack: Node[][] = [[]];
  for (const token of text.match(/[\w@[\]]+|[()]/g) ?? []) {
    const siblings = stack.at(-1) ?? [];
    if (token === ')') {
      stack.pop();
    } else if (token === '(') {
      stack.push(siblings.at(-1)?.children ?? []);
    } else {
      siblings.push({ label: token, children: [] });
    }
  }
  return stack[0] ?? [];
}

/**
 * Writes the same.
 * @param parents of each label; those without one are roots
 * @param rank what siblings are sorted by
 */
export function writeTree(parents: ReadonlyMap<string, string | undefined>, rank: (label: string) => string): string {
  const write = (parent: string | undefined): string =>
    [...parents]
      .filter(([, above]) => above === parent)
      .map(([label]) => label)
      .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
      .map((label) => {
        const below = write(label);
        return below === '' ? label : `${label}(${below})`;
      })
      .join(' ');
  return write(undefined);
}
