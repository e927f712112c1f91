import { Option, type Command } from 'commander';
import type { Call } from '../checkpoints/engine-context.ts';
import { windowEnded } from '../checkpoints/window-end.ts';
import { createEngine, type Engine } from '../engine.ts';
import { toWireError } from '../model/checkpoint-error.ts';
import { defaultHome, Home } from '../store/home.ts';
import type { Output } from './output.ts';

/** How other engines name this one when it holds a lock. */
export const face = 'ckpt';

const interruptions = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The options that every verb has. */
export interface CommonOptions {
  json?: true;
  home?: string;
}

/** A verb with the options that all have. */
export function verb(parent: Command, usage: string, description: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option('--json', 'print one JSON object on standard output, for errors too')
    .addOption(new Option('--home <folder>', 'folder with the machines').env('VM_CHECKPOINTS_HOME'));
}

/** Runs a verb's action with an engine, and a signal that Ctrl+C aborts. */
export async function runVerb(
  output: Output,
  options: CommonOptions,
  action: (engine: Engine, call: Call & { signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  const engine = createEngine(face, chosenHome(options.home), true);
  const interrupt = new AbortController();
  const onInterrupt = (signal: NodeJS.Signals): void => interrupt.abort(signal === 'SIGHUP' ? windowEnded : undefined);
  // Each time: a second Ctrl+C must not cut off what the first one is undoing.
  for (const signal of interruptions) {
    process.on(signal, onInterrupt);
  }
  try {
    await action(engine, {
      signal: interrupt.signal,
      report: (message, fraction) => output.progress(message, fraction),
    });
    // Without an editor nobody else does it; the answer is given already.
    await engine.retention.trashDue();
  } catch (error) {
    if (toWireError(error).code === 'Internal') {
      engine.log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    throw error;
  } finally {
    for (const signal of interruptions) {
      process.removeListener(signal, onInterrupt);
    }
  }
}

/** An empty name is the same as none: the default. */
export function chosenHome(folder: string | undefined): Home {
  return folder === undefined || folder === '' ? defaultHome() : new Home(folder);
}

/** The options that were given, of those named. */
export function pick(options: object, names: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}
