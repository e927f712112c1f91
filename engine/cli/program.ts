import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { createEngine } from '../engine.ts';
import { carryOutJob } from '../job/job.ts';
import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import { serve } from '../server/server.ts';
import { defaultHome } from '../store/home.ts';
import { standInVerb } from '../store/stand-in.ts';
import { version } from '../version.ts';
import { addCheckpointVerbs } from './checkpoint-verbs.ts';
import { addCopyVerbs } from './copy-verbs.ts';
import { addGuardVerbs } from './guard-verbs.ts';
import { addGroupVerbs } from './group-verbs.ts';
import { runConsole } from './console.ts';
import { addDiskVerbs } from './disk-verbs.ts';
import { addJobVerbs } from './job-verbs.ts';
import { addLifeVerbs } from './life-verbs.ts';
import { addDoctorVerb } from './doctor-verb.ts';
import { hiddenLayersText } from './hidden-layers-text.ts';
import { exitCode, Output } from './output.ts';
import { plannedVerb, runPlanned } from './planned-verb.ts';
import { addForgetVerb } from './forget-verb.ts';
import { addHistoryVerb } from './history-verb.ts';
import { addSetGroupVerb } from './set-group-verb.ts';
import { addCompareVerb } from './compare-verb.ts';
import { addLayersVerb } from './layers-verb.ts';
import { addMergeVerb } from './merge-verb.ts';
import { addPackVerb } from './pack-verb.ts';
import { addRetentionVerbs } from './retention-verbs.ts';
import { checkpointText, hostsText, machineText } from './tree-text.ts';
import { chosenHome, face, pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

/**
 * Runs `ckpt`.
 * @param args without the program's own name
 * @returns the exit code, or undefined when a server keeps running
 */
export async function runProgram(args: string[]): Promise<number | undefined> {
  // What comes after `--` is for a guarded command to understand.
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const output = new Output(own.includes('--json'));
  let outcome: number | undefined = exitCode.done;
  const program = buildProgram(args, output, (value) => {
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
    output.error({
      code: 'InvalidArgument',
      message: error.message.replace(/^error: /, '').replace(/\s+/g, ' '),
      data: { usage: true },
    });
  }
  return exitCode.usage;
}

function buildProgram(
  args: readonly string[],
  output: Output,
  setOutcome: (value: number | undefined) => void,
): Command {
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

  program
    .command('serve', { hidden: true })
    .description('serve an editor over standard input and output')
    .requiredOption('--stdio', 'the only transport')
    .option('--face <name>', 'how other engines name this one', 'VS Code')
    // The language client adds this; the server ends with that process.
    .option('--clientProcessId <pid>')
    .action((options: { face: string }) => {
      serve(createEngine(options.face, defaultHome(), true));
      setOutcome(undefined);
    });
  if (args[0] === 'serve') {
    // An editor waits for it, and the other verbs take a while to declare.
    return program;
  }

  const verb = (usage: string, description: string): Command => newVerb(program, usage, description);
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);

  verb('list', 'show hosts, machines and checkpoints as a tree').action((options: CommonOptions) =>
    run(options, async ({ service }) => {
      const listed = await service.list();
      const warnings = (listed.warnings ?? []).map(({ message }) => `! ${message} (ckpt free-space)`);
      output.result(listed, [hostsText(listed.hosts), ...warnings].join('\n'));
    }),
  );

  verb(
    'show <machine> [checkpoint]',
    'show one machine, its checkpoints and its hidden layers; or one checkpoint, and what was on its console',
  ).action((machine: string, checkpoint: string | undefined, options: CommonOptions) =>
    run(options, async ({ service }) => {
      const shown = await service.show(
        parseParams('show', { machine, ...(checkpoint === undefined ? {} : { checkpoint }) }),
      );
      output.result(
        shown,
        (shown.checkpoint === undefined
          ? [...machineText(shown.machine), ...hiddenLayersText(shown.hiddenLayers)]
          : checkpointText(shown.checkpoint, shown.console)
        ).join('\n'),
      );
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
    .option('--host <host>', 'qemu, or disks: checkpoint in place what another program uses (qcow2, VHDX, VHD)')
    .option('--more-disks <files...>', 'with --host disks: the other disks of the machine')
    .action((name: string, options: CommonOptions & Record<string, unknown>) =>
      run(options, async ({ service }, call) => {
        const params = parseParams('addMachine', {
          name,
          ...pick(options, ['disk', 'host', 'moreDisks']),
          ...hardware(options),
        });
        const added = await service.addMachine(params, call);
        const where =
          added.machine.host === 'disks'
            ? 'Its disks stay where they are; checkpoints lie beside them.'
            : `Its changes go to ${added.machine.folder}.`;
        output.result(added, `Added “${added.machine.name}”. ${where}`);
      }),
    );

  plannedVerb(program, 'remove-machine <machine>', 'delete a stopped machine with all its checkpoints').action(
    (machine: string, options: CommonOptions) =>
      runPlanned(output, options, 'removeMachine', { machine }, async ({ service }, params) => {
        const removed = await service.removeMachine(params);
        output.result(removed, `Removed “${removed.removed}” and all its checkpoints.`);
      }),
  );

  addLifeVerbs(program, output);

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

  addCheckpointVerbs(program, output);
  addCopyVerbs(program, output);
  addGroupVerbs(program, output);
  addDiskVerbs(program, output, () => setOutcome(exitCode.failed));
  addJobVerbs(program, output, ({ jobs }) => jobs);
  const fail = (): void => setOutcome(exitCode.failed);
  addRetentionVerbs(program, output, { parse: parseParams, service: ({ retention }) => retention }, fail);
  addMergeVerb(program, output);
  addPackVerb(program, output);
  addLayersVerb(program, output);
  addHistoryVerb(program, output);
  addCompareVerb(program, output);
  addSetGroupVerb(program, output);
  addForgetVerb(program, output);
  addDoctorVerb(program, output, fail);
  addGuardVerbs(program, output, setOutcome);

  program
    .command('job <id>', { hidden: true })
    .description('carry out a job that an engine began')
    .requiredOption('--home <folder>', 'folder with the machines')
    .action(async (id: string, options: { home: string }) => {
      const engine = createEngine('a job', chosenHome(options.home), true);
      setOutcome(await carryOutJob(engine.home, id, engine.runnableJobs));
    });

  program
    .command(`${standInVerb} <machine...>`, { hidden: true })
    .description('end what an engine was doing that died')
    .requiredOption('--home <folder>', 'folder with the machines')
    .action((machines: string[], options: { home: string }) =>
      createEngine('a stand-in', chosenHome(options.home)).forsaken.endOf(machines),
    );

  return program;
}

function withHardware(command: Command): Command {
  return command
    .option('--format <format>', 'raw, for a disk whose content cannot tell')
    .option('--memory <MiB>', 'memory in MiB', wholeNumber)
    .option('--cpus <number>', 'number of processors', wholeNumber)
    .option('--firmware <firmware>', 'bios (default) or uefi')
    .option('--tpm', 'with a TPM 2.0');
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
    ...pick(options, ['format', 'cpus', 'firmware', 'tpm']),
    ...(options['memory'] === undefined ? {} : { memoryMiB: options['memory'] }),
  };
}
