import type { Checkpoint } from '../model/checkpoint.ts';
import type { Params } from '../protocol/operations.ts';

/** A checkpoint with other notes, pin or colour; what is not given stays. One that is pinned no longer expires. */
export function withAnnotation(
  checkpoint: Checkpoint,
  { notes, pinned, colour }: Pick<Params<'annotate'>, 'notes' | 'pinned' | 'colour'>,
): Checkpoint {
  const changed = { ...checkpoint };
  if (notes !== undefined) {
    delete changed.notes;
    Object.assign(changed, notes === '' ? {} : { notes });
  }
  if (pinned !== undefined) {
    delete changed.pinned;
    Object.assign(changed, pinned ? { pinned } : {});
  }
  if (pinned === true) {
    delete changed.expires;
  }
  if (colour !== undefined) {
    delete changed.colour;
    Object.assign(changed, colour === 'none' ? {} : { colour });
  }
  return changed;
}

/** A checkpoint under another name. A name given by a person says that it is wanted: it no longer expires. */
export function withName(checkpoint: Checkpoint, name: string): Checkpoint {
  const { expires: _expires, ...lasting } = checkpoint;
  return { ...lasting, name };
}
