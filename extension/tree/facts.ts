import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { ItemFact } from '../contributions/menus.ts';
import { shownState } from '../machines/arrangement.ts';
import { obstacle } from '../machines/possible.ts';

/** What menus ask about a machine, for its own item and for those of its checkpoints and Now. */
export function factsOf(machine: MachineInfo): ItemFact[] {
  return [
    shownState(machine),
    ...(obstacle('revert', machine) === undefined ? (['canRevert'] as const) : []),
    ...(obstacle('undo', machine) === undefined ? (['canUndo'] as const) : []),
    ...(obstacle('redo', machine) === undefined ? (['canRedo'] as const) : []),
    ...(obstacle('restore', machine) === undefined ? (['hasTrash'] as const) : []),
  ];
}
