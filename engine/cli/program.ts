import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { createEngine } from '../engine.ts';
import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import type { ApplyResult } from '../protocol/operations.ts';
import { serve } from '../server/server.ts';
import { version } from '../version.ts';
import { runConsole } from './console.ts';
import { addDiskVerbs } from './disk-verbs.ts';
import { exitCode, Output } from './output.ts';
import { hostsText, machineText } from './tree-text.ts';
import { face, pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

/**
 * Runs `ckpt`.
 * @param args without the program's own name
 * @returns the exit code, or undefined when a server keeps running
 */
export async function runProgram(args: string[]): Promise<number | undefined> {
  const output = new Output(args.includes('--json'));
  let outcome: number | undefined = exitCode.done;
  const program = buildProgram(output, (value) => {
    outcome = value;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return outcome;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCode.done : usageError(output, error);
    }
    const wire = toWireError(error);
    output.error(wire);
    return isAbort(error) || wire.code === 'Cancelled' ? exitCode.cancelled : exitCode.failed;
  }
}

function usageError(output: Output, error: CommanderError): number {
  if (output.isJson) {
    output.error({ code: 'InvalidArgument', message: error.message.replace(/^error: /, ''), data: { usage: true } });
  }
  return exitCode.usage;
}

function buildProgram(output: Output, setOutcome: (value: number | undefined) => void): Command {
  const program = new Command('ckpt');
  program
    .description('Checkpoints for virtual machines: take one before something risky, and revert when it went wrong.')
    .version(version)
    .exitOverride()
    .configureOutput({
      // A program that asked for JSON gets one object and no prose.
      writeErr: (text) => {
        if (!output.isJson) {
          process.stderr.write(text);
        }
      },
      outputError: (text, write) => write(text.replace(/^error: /, 'ckpt: ')),
    })
    .showHelpAfterError('(ckpt --help shows the commands, ckpt COMMAND --help its options)')
    .configureHelp({ sortSubcommands: false });

  const verb = (usage: string, description: string): Command => newVerb(program, usage, description);
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);

  verb('list', 'show hosts, machines and checkpoints as a tree').action((options: CommonOptions) =>
    run(options, async ({ service }) => {
      const listed = await service.list();
      output.result(listed, hostsText(listed.hosts));
    }),
  );

  verb('show <machine>', 'show one machine and its checkpoints').action((machine: string, options: CommonOptions) =>
    run(options, async ({ service }) => {
      const shown = await service.show(parseParams('show', { machine }));
      output.result(shown, machineText(shown.machine).join('\n'));
    }),
  );

  verb('images', 'show the catalogue of images for new machines').action((options: CommonOptions) =>
    run(options, async ({ service }) => {
      const listed = await service.images();
      output.result(listed, listed.images.map((image) => `${image.name}  ${image.description}`).join('\n'));
    }),
  );

  withHardware(verb('create-machine <name>', 'create a machine with a disk of its own, copied from an image'))
    .option('--disk <image>', 'disk image to copy: qcow2, VHDX, VHD or VMDK, or raw with --format raw')
    .option('--image <entry>', 'entry of the catalogue, see ckpt images')
    .action((name: string, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const params = parseParams('createMachine', {
          name,
          ...pick(options, ['disk', 'image']),
          ...hardware(options),
        });
        const created = await service.createMachine(params, call);
        output.result(created, `Created “${created.machine.name}” in ${created.machine.folder}.`);
      }),
    );

  withHardware(verb('add <name>', 'make a machine of an existing disk, which is never written'))
    .requiredOption('--disk <file>', 'disk image to use: qcow2, VHDX, VHD or VMDK, or raw with --format raw')
    .action((name: string, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const params = parseParams('addMachine', { name, ...pick(options, ['disk']), ...hardware(options) });
        const added = await service.addMachine(params, call);
        output.result(added, `Added “${added.machine.name}”. Its changes go to ${added.machine.folder}.`);
      }),
    );

  verb('remove-machine <machine>', 'delete a stopped machine with all its checkpoints').action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ service }) => {
        const removed = await service.removeMachine(parseParams('removeMachine', { machine }));
        output.result(removed, `Removed “${removed.removed}” and all its checkpoints.`);
      }),
  );

  verb('start <machine>', 'start a machine').action((machine: string, options: CommonOptions) =>
    run(options, async ({ service }, call) => {
      const started = await service.start(parseParams('start', { machine }), call);
      output.result(started, stateText(started.machine));
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

  verb('console <machine>', "join this terminal to a running machine's serial port; leave with Ctrl+]").action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ service }, call) => {
        if (output.isJson) {
          const port = await service.serialPort(machine);
          output.result({ serialPort: port ?? null }, '');
        } else {
          await runConsole(service, machine, face, call.signal);
        }
      }),
  );

  verb('take <machine> [name]', 'make a checkpoint of Now')
    .option('--name <name>', 'name of the checkpoint (default: date and time)')
    .option('--notes <text>', 'notes to keep with it')
    .option('--memory', 'with memory (default for a running machine)')
    .option('--no-memory', 'disks only')
    .action((machine: string, name: string | undefined, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const params = {
          machine,
          ...(name === undefined ? {} : { name }),
          ...pick(options, ['name', 'notes', 'memory']),
        };
        const taken = await service.take(parseParams('take', params), call);
        const { checkpoint } = taken;
        const pause = checkpoint.pauseMs === undefined ? '' : `; the guest stood still for ${checkpoint.pauseMs} ms`;
        output.result(taken, `Took “${checkpoint.name}” of “${taken.machine.name}” in ${taken.totalMs} ms${pause}.`);
      }),
    );

  withApplyOptions(verb('apply <machine> <checkpoint>', 'make Now equal to a checkpoint')).action(
    (machine: string, checkpoint: string, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const params = parseParams('apply', { machine, checkpoint, ...pick(options, ['discardNow', 'disksOnly']) });
        const applied = await service.apply(params, call);
        output.result(applied, applyText('Applied', applied));
      }),
  );

  withApplyOptions(verb('revert <machine>', 'apply the checkpoint that Now grew from')).action(
    (machine: string, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const reverted = await service.revert(
          parseParams('revert', { machine, ...pick(options, ['discardNow', 'disksOnly']) }),
          call,
        );
        output.result(reverted, applyText('Reverted to', reverted));
      }),
  );

  verb('undo <machine>', 'go back to what the last apply or revert left').action(
    (machine: string, options: CommonOptions) =>
      run(options, async ({ service }, call) => {
        const undone = await service.undo(parseParams('undo', { machine }), call);
        output.result(undone, applyText('Went back to', undone));
      }),
  );

  verb('delete <machine> <checkpoint>', 'delete one checkpoint; what hangs from it stays').action(
    (machine: string, checkpoint: string, options: CommonOptions) =>
      run(options, async ({ service }) => {
        const deleted = await service.delete(parseParams('delete', { machine, checkpoint }));
        const mebibytes = (deleted.freedBytes / 1024 / 1024).toFixed(1);
        output.result(
          deleted,
          `Deleted “${deleted.deleted.name}” of “${deleted.machine.name}”; ${mebibytes} MiB are free again.`,
        );
      }),
  );

  verb('rename <machine> <checkpoint> <name>', 'give a checkpoint another name').action(
    (machine: string, checkpoint: string, name: string, options: CommonOptions) =>
      run(options, async ({ service }) => {
        const renamed = await service.rename(parseParams('rename', { machine, checkpoint, name }));
        output.result(renamed, `The checkpoint is called “${renamed.checkpoint.name}” now.`);
      }),
  );

  addDiskVerbs(program, output, () => setOutcome(exitCode.failed));

  program
    .command('serve', { hidden: true })
    .description('serve an editor over standard input and output')
    .requiredOption('--stdio', 'the only transport')
    .option('--face <name>', 'how other engines name this one', 'VS Code')
    // The language client adds this; the server ends with that process.
    .option('--clientProcessId <pid>')
    .action((options: { face: string }) => {
      serve(createEngine(options.face));
      setOutcome(undefined);
    });

  return program;
}

function withHardware(command: Command): Command {
  return command
    .option('--format <format>', 'raw, for a disk whose content cannot tell')
    .option('--memory <MiB>', 'memory in MiB', wholeNumber)
    .option('--cpus <number>', 'number of processors', wholeNumber);
}

function withApplyOptions(command: Command): Command {
  return command
    .option('--discard-now', 'do not keep what Now was')
    .option('--disks-only', "leave the checkpoint's memory out; the machine ends stopped");
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}

/** `--memory` of a new machine, under the name that the operation has for it. */
function hardware(options: Record<string, unknown>): Record<string, unknown> {
  return {
    ...pick(options, ['format', 'cpus']),
    ...(options['memory'] === undefined ? {} : { memoryMiB: options['memory'] }),
  };
}

function stateText(machine: MachineInfo): string {
  return `“${machine.name}” is ${machine.state}.`;
}

function applyText(what: string, result: ApplyResult): string {
  const kept =
    result.kept === undefined ? '' : ` What was before is kept as “${result.kept.name}”; ckpt undo goes back to it.`;
  return `${what} “${result.applied.name}” in ${result.totalMs} ms; “${result.machine.name}” is ${result.machine.state}.${kept}`;
}
