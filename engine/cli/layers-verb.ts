import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { formatSize } from '../model/size.ts';
import type { LayerInfo, LayerOperations } from '../protocol/layers.ts';
import type { Output } from './output.ts';
import { runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt layers`. */
export function addLayersVerb(program: Command, output: Output): void {
  verb(program, 'layers <machine> [checkpoint]', 'show the files that the disks of Now, or of a checkpoint, consist of')
    .addHelpText('after', '\nWith --json, and without a checkpoint: those of all checkpoints.')
    .action((machine: string, checkpoint: string | undefined, options: CommonOptions) =>
      runVerb(output, options, async ({ layers }, call) => {
        const found = await layers.layers(
          parseParams('layers', { machine, ...(checkpoint === undefined ? {} : { checkpoint }) }),
          call,
        );
        output.result(found, layersText(found));
      }),
    );
}

function layersText({ points: [point], layers }: LayerOperations['layers']['result']): string {
  const byFile = new Map(layers.map((layer) => [layer.file, layer]));
  return (point?.tops ?? [])
    .flatMap(({ disk, file }) => {
      const lines = [disk];
      for (let layer = byFile.get(file); layer !== undefined; layer = byFile.get(layer.parent ?? '')) {
        lines.push(`  ${layer.file}  ${layer.format}, ${formatSize(layer.allocatedBytes)}, ${roleText(layer)}`);
      }
      return lines;
    })
    .join('\n');
}

function roleText({ role, of }: LayerInfo): string {
  const names = of.map((name) => `“${name}”`).join(', ');
  switch (role) {
    case 'active':
      return 'written by Now';
    case 'base':
      return 'what the machine was made with';
    case 'checkpoint':
      return `frozen by ${names}`;
    case 'trash':
      return `of ${names} in the trash`;
    case 'clone':
      return `of the clone ${names}`;
    case 'hidden':
      return 'hidden: of no checkpoint any more';
    case 'outside':
      return 'outside, never written';
  }
}
