import type { Extent } from '../disk.ts';
import type { ClusterMap } from './cluster-map.ts';

/** The extents of a range, neighbours that continue each other joined. Offsets and lengths in bytes. */
export async function* extentsOf(
  map: ClusterMap,
  offset: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Extent> {
  const end = offset + length;
  let waiting: Extent | undefined;
  for (let at = offset; at < end;) {
    signal?.throwIfAborted();
    const run = map.peek(at, end - at) ?? (await map.find(at, end - at));
    const extent: Extent = {
      offset: at,
      length: Math.min(run.length, end - at),
      state: run.kind === 'compressed' ? 'data' : run.kind,
      ...(run.kind === 'data' ? { fileOffset: run.hostOffset } : {}),
      ...(run.kind === 'compressed' ? { isCompressed: true } : {}),
    };
    at += extent.length;
    if (waiting !== undefined && continues(waiting, extent)) {
      waiting.length += extent.length;
      continue;
    }
    if (waiting !== undefined) {
      yield waiting;
    }
    waiting = extent;
  }
  if (waiting !== undefined) {
    yield waiting;
  }
}

function continues(before: Extent, next: Extent): boolean {
  if (before.state !== next.state || before.isCompressed !== next.isCompressed) {
    return false;
  }
  return before.fileOffset === undefined
    ? next.fileOffset === undefined
    : before.fileOffset + before.length === next.fileOffset;
}
