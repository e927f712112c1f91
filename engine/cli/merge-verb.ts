import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { formatSize } from '../model/size.ts';
import { size } from './number-options.ts';
import type { Output } from './output.ts';
import { pick, runVerb, verb, type CommonOptions } from './verb.ts';

type Given = CommonOptions & Record<string, unknown>;

/** How fast layers of a running machine are merged. */
export function withSpeed(command: Command): Command {
  return command.option('--speed <bytes>', 'merge at most so much a second while the machine runs, such as 50M', size);
}

/** `ckpt merge-layers`. */
export function addMergeVerb(program: Command, output: Output): void {
  withSpeed(
    verb(program, 'merge-layers <machine>', 'merge away layers that no checkpoint needs, also while the machine runs'),
  ).action((machine: string, options: Given) =>
    runVerb(output, options, async ({ merges }, call) => {
      const done = await merges.mergeLayers(parseParams('mergeLayers', { machine, ...pick(options, ['speed']) }), call);
      const count = `${done.mergedLayers} layer${done.mergedLayers === 1 ? '' : 's'}`;
      output.result(
        done,
        done.mergedLayers === 0
          ? `“${done.machine.name}” has no layers that can be merged away now.`
          : `Merged ${count} of “${done.machine.name}”; ${formatSize(done.freedBytes)} are free again.`,
      );
    }),
  );
}
