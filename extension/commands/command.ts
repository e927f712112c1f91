import type { CheckpointsContext } from '../context.ts';

/**
 * What a command does.
 * @param argument the tree item it was chosen on, or what a keybinding or another extension passed; see target.ts
 * @param selected all rows of the tree that were selected when a menu was opened on one of them
 * @returns for callers from code: the engine's result, or nothing when the user dismissed a question or was told of a failure
 */
export type CommandHandler = (context: CheckpointsContext, argument: unknown, selected?: unknown) => unknown;
