import type { PastChange } from '../../engine/protocol/history.ts';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';

/** The program that made a checkpoint, such as `VS Code` or `ckpt`: whose change it was that lasted when it was made. */
export function faceOf(
  { created }: Pick<CheckpointInfo, 'created'>,
  changes: readonly PastChange[],
): string | undefined {
  const at = Date.parse(created);
  const during = changes.find(({ at: began, outcome, durationMs }) => {
    const start = Date.parse(began);
    return outcome === 'done' && durationMs !== undefined && start <= at && at <= start + Math.ceil(durationMs);
  });
  return during?.face;
}
