import { CheckpointError } from '../model/checkpoint-error.ts';
import type { Layer } from './disk.ts';

/**
 * Sees that a parent is the one that its child was made on.
 * @throws ParentMismatch, with every difference in `differences` and the first in `field`, `expected` and `found`
 */
export function verifyParent(child: Layer, parent: Layer): void {
  const differences = child.compareParent(parent);
  const first = differences[0];
  if (first !== undefined) {
    throw new CheckpointError(
      'ParentMismatch',
      `The disk ${parent.file.path} is not the one that ${child.file.path} was made on, or it was changed since: ` +
        `${first.field} should be ${first.expected}, and is ${first.found}. Restore the parent from a backup, or name ` +
        'the right one: ckpt disk rebase FILE --parent FILE. Only if you know that the contents are the same, take it ' +
        'as it is: --accept-mismatch.',
      { path: child.file.path, parent: parent.file.path, ...first, differences },
    );
  }
}
