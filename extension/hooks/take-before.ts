/** Takes the checkpoint of a hook before what it guards; tells the user when it cannot, and that the guarded thing does not start then. */
import type { CheckpointInfo, CreatedBy } from '../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../context.ts';
import { gitHead } from '../git-head.ts';
import { perform } from '../operations/perform.ts';
import { readCheckpointKind } from '../settings.ts';
import type { Hook } from './hook.ts';

interface Guarded {
  /** By default the name of the checkpoint. */
  defaultName: string;
  createdBy: CreatedBy;
  title: string;
  /** Puts the sentence of a failure into its context. */
  explain: (sentence: string) => string;
  retry?: () => unknown;
}

/** @returns undefined when there is none; the user was told */
export async function takeBefore(
  context: CheckpointsContext,
  hook: Pick<Hook, 'machine' | 'name' | 'memory' | 'keepLast'>,
  { defaultName, createdBy, title, explain, retry }: Guarded,
): Promise<CheckpointInfo | undefined> {
  const { machine, name = defaultName, memory, keepLast } = hook;
  const git = gitHead();
  const result = await perform(context, {
    name: 'take',
    params: {
      machine,
      name,
      createdBy,
      ...(memory === undefined ? { kind: readCheckpointKind() } : { memory }),
      ...(keepLast === undefined ? {} : { keepLast }),
      ...(git === undefined ? {} : { git }),
    },
    title,
    explain,
    ...(retry === undefined ? {} : { waysOut: { retry } }),
  });
  return result?.checkpoint;
}
