import type { Command } from 'commander';
import type { Call } from '../checkpoints/engine-context.ts';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Engine } from '../engine.ts';
import type { Params } from '../protocol/operations.ts';
import type { PlannedOperation } from '../protocol/plans.ts';
import type { Output } from './output.ts';
import { planText } from './plan-text.ts';
import { runVerb, verb, type CommonOptions } from './verb.ts';

/** A verb that also tells what it would do. */
export function plannedVerb(parent: Command, usage: string, description: string): Command {
  return plannable(verb(parent, usage, description));
}

export function plannable(command: Command): Command {
  return command.option('--dry-run', 'only tell what would be done; changes nothing');
}

/**
 * Runs a verb's action, or prints its plan.
 * @param given parameters, not checked yet
 */
export function runPlanned<K extends PlannedOperation>(
  output: Output,
  options: CommonOptions & { dryRun?: unknown },
  operation: K,
  given: unknown,
  action: (engine: Engine, params: Params<K>, call: Call & { signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  return runVerb(output, options, async (engine, call) => {
    const params = parseParams(operation, given);
    if (options.dryRun === true) {
      const plan = await engine.plans.plan({ operation, params: { ...params } });
      output.result(plan, planText(plan));
    } else {
      await action(engine, params, call);
    }
  });
}
