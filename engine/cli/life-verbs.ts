import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { formatSize } from '../model/size.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import { wholeNumber } from './number-options.ts';
import type { Output } from './output.ts';
import { tellSteps } from './resume-steps-text.ts';
import { pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

/** What turns machines on and off, and lets them stand still. */
export function addLifeVerbs(program: Command, output: Output): void {
  const verb = (usage: string, description: string): Command => newVerb(program, usage, description);
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);

  verb('start <machine>', 'start a machine; one that is saved is resumed').action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ service }, call) => {
        const started = await service.start(parseParams('start', { machine }), call);
        output.result(started, [stateText(started.machine), tellSteps(started.steps)].join(' ').trimEnd());
      }),
  );

  verb('stop <machine>', 'shut a machine down')
    .option('--force', 'end it at once, like pulling the plug')
    .option('--timeout <seconds>', 'how long the guest may take (default: 60)', wholeNumber)
    .action((machine: string, options: CommonOptions & { force?: true; timeout?: number }) =>
      run(options, async ({ service }, call) => {
        const params = {
          machine,
          ...pick(options, ['force']),
          ...(options.timeout === undefined ? {} : { timeoutSeconds: options.timeout }),
        };
        const stopped = await service.stop(parseParams('stop', params), call);
        output.result(stopped, stateText(stopped.machine));
      }),
    );

  verb('pause <machine>', 'let a running machine stand still').action((machine: string, options: CommonOptions) =>
    run(options, async ({ service }) => {
      const paused = await service.pause(parseParams('pause', { machine }));
      output.result(paused, stateText(paused.machine));
    }),
  );

  verb('resume <machine>', 'let a paused machine go on').action((machine: string, options: CommonOptions) =>
    run(options, async ({ service }) => {
      const resumed = await service.resume(parseParams('resume', { machine }));
      output.result(resumed, stateText(resumed.machine));
    }),
  );

  verb('reset <machine>', 'press its reset button: what the guest has not written to its disks is lost').action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ life }) => {
        const reset = await life.reset(parseParams('reset', { machine }));
        output.result(reset, stateText(reset.machine));
      }),
  );

  verb('save <machine>', "save a machine's memory and turn it off; the next start resumes it").action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ life }, call) => {
        const saved = await life.saveState(parseParams('saveState', { machine }), call);
        output.result(saved, `${stateText(saved.machine)} Its memory takes ${formatSize(saved.sizeBytes)}.`);
      }),
  );

  verb(
    'discard-state <machine>',
    'give up the saved memory of a machine; the next start boots it from its disks',
  ).action((machine: string, options: CommonOptions) =>
    run(options, async ({ life }) => {
      const discarded = await life.discardState(parseParams('discardState', { machine }));
      output.result(discarded, `${stateText(discarded.machine)} Freed ${formatSize(discarded.freedBytes)}.`);
    }),
  );
}

function stateText(machine: MachineInfo): string {
  return `“${machine.name}” is ${machine.state}.`;
}
