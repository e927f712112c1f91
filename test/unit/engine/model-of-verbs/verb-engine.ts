import type { Engine } from '../../../../engine/engine.ts';

/** What the verbs need of an engine, which may be another process. */
export interface VerbEngine {
  service: Pick<
    Engine['service'],
    | 'show'
    | 'take'
    | 'apply'
    | 'revert'
    | 'undo'
    | 'redo'
    | 'delete'
    | 'restore'
    | 'emptyTrash'
    | 'annotate'
    | 'rename'
    | 'removeMachine'
  >;
  groups: Pick<Engine['groups'], 'groupTake' | 'groupApply' | 'groupDelete'>;
  copies: Pick<Engine['copies'], 'clone' | 'flatten' | 'export' | 'import'>;
  retention: Pick<Engine['retention'], 'policy' | 'prune'>;
  doctor: Pick<Engine['doctor'], 'doctor'>;
}
