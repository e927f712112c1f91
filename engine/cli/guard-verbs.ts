import { createInterface } from 'node:readline/promises';
import { Option, type Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Call } from '../checkpoints/engine-context.ts';
import type { Engine } from '../engine.ts';
import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import { commandName, endText } from '../model/guard.ts';
import type { CheckpointInfo } from '../protocol/machines.ts';
import type { CommandEnd } from '../protocol/guard-info.ts';
import type { GuardOperations } from '../protocol/guards.ts';
import { CommandNotStarted, guardExitCode, isSuccess, runHere, shellExitCode } from './guarded-command.ts';
import { wholeNumber } from './number-options.ts';
import { exitCode, type Output } from './output.ts';
import { plannedVerb, runPlanned } from './planned-verb.ts';
import { tellSteps } from './resume-steps-text.ts';
import { pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

type OnFail = 'ask' | 'revert' | 'keep';
type Outcome = GuardOperations['guardEnd']['params']['outcome'];
type Ended = GuardOperations['guardEnd']['result'];
type GuardOptions = CommonOptions & Record<string, unknown> & { onFail: OnFail; guest?: true; timeout?: number };

const guardHelp = `
Exit codes: the command's own (128 and the signal's number when a signal ended it);
  125 when the checkpoint could not be taken, so that the command was not run, or when what is to follow it failed;
  126 when the command cannot be run, 127 when there is no such program.
Without a terminal, "ask" keeps. A pair between which no disk was written goes to the trash by itself.
A guard that was killed is shown by "ckpt list"; "ckpt end-guard" says what is to become of it.
With --guest the output comes when the command has ended.`;

/** @param setOutcome gets the program's exit code */
export function addGuardVerbs(program: Command, output: Output, setOutcome: (code: number) => void): void {
  plannedVerb(program, 'guard <machine> <command...>', 'run a command between two checkpoints')
    .usage('[options] <machine> -- <command...>')
    .addOption(
      new Option('--on-fail <what>', 'when the command fails').choices(['ask', 'revert', 'keep']).default('ask'),
    )
    .option('--guest', 'run it in the machine, through the agent in its guest')
    .option('--timeout <seconds>', 'with --guest: end the command after so long', wholeNumber)
    .option('--name <name>', 'name of the checkpoint before (default: “before” and the command)')
    .option('--memory', 'with memory (default for a running machine)')
    .option('--no-memory', 'disks only')
    .addOption(
      new Option('--kind <kind>', 'production: no memory, file systems frozen by the agent in the guest').choices([
        'standard',
        'production',
        'production-only',
      ]),
    )
    .addHelpText('after', guardHelp)
    .action((machine: string, command: string[], options: GuardOptions) => {
      const given = { machine, ...pick(options, ['name', 'memory', 'kind']) };
      // What it would do is what the take would: the rest depends on the command.
      return options['dryRun'] === true
        ? runPlanned(output, options, 'take', given, () => Promise.resolve())
        : runVerb(output, options, async (engine, call) => {
            setOutcome(await new Guard(engine, output, call, options).run(machine, command, given));
          });
    });

  newVerb(program, 'end-guard <machine> [checkpoint]', 'say what is to become of a guard that was interrupted')
    .addOption(
      new Option('--outcome <what>', 'revert to the checkpoint before, or keep')
        .choices(['revert', 'keep'])
        .makeOptionMandatory(),
    )
    .action((machine: string, checkpoint: string | undefined, options: CommonOptions & { outcome: Outcome }) =>
      runVerb(output, options, async ({ guards }, call) => {
        const given = {
          machine,
          end: {},
          outcome: options.outcome,
          ...(checkpoint === undefined ? {} : { checkpoint }),
        };
        const ended = await guards.guardEnd(parseParams('guardEnd', given), call);
        output.result(ended, outcomeText(ended));
      }),
    );

  newVerb(program, 'exec <machine> <command...>', 'run a program in a running machine, through the agent in its guest')
    .usage('[options] <machine> -- <command...>')
    .option('--timeout <seconds>', 'end it after so long', wholeNumber)
    .action((machine: string, command: string[], options: CommonOptions & { timeout?: number }) =>
      runVerb(output, options, async (engine, call) => {
        const ran = await execInGuest(engine, machine, command, options.timeout, call);
        if (output.isJson) {
          output.result(ran, '');
        } else {
          printOutputs(ran);
          setOutcome(shellExitCode(ran));
        }
      }),
    );
}

/** A command between two checkpoints. */
class Guard {
  readonly #engine: Engine;
  readonly #output: Output;
  readonly #call: Call;
  readonly #options: GuardOptions;

  constructor(engine: Engine, output: Output, call: Call, options: GuardOptions) {
    this.#engine = engine;
    this.#output = output;
    this.#call = call;
    this.#options = options;
  }

  /** @returns the exit code */
  async run(machine: string, command: string[], given: object): Promise<number> {
    const where = this.#options.guest === true ? 'guest' : 'here';
    let before: CheckpointInfo;
    try {
      const begun = await this.#engine.guards.guardBegin(
        parseParams('guardBegin', { ...given, command, where }),
        this.#call,
      );
      before = begun.checkpoint;
      this.#say(
        `Took “${before.name}” of “${begun.machine.name}”.${begun.problem === undefined ? '' : ` ${begun.problem}`}`,
      );
    } catch (error) {
      const { code, message, data } = toWireError(error);
      this.#output.error({ code, message: `${message} The command was not run.`, data });
      return code === 'Cancelled' ? exitCode.cancelled : guardExitCode.guardFailed;
    }
    let end: CommandEnd;
    try {
      end = await this.#runCommand(machine, command);
    } catch (error) {
      // It did nothing that anybody knows of: an empty pair goes by itself.
      await this.#engine.guards
        .guardEnd({ machine, checkpoint: before.id, end: {}, outcome: 'keep' }, {})
        .catch(() => undefined);
      const isNotStarted = error instanceof CommandNotStarted;
      const { code, message, data } = toWireError(error);
      this.#output.error(
        isNotStarted ? { code: 'InvalidArgument', message: error.message, data: {} } : { code, message, data },
      );
      return isNotStarted ? error.exitCode : isAbort(error) ? exitCode.cancelled : guardExitCode.guardFailed;
    }
    return this.#end(machine, command, before, end);
  }

  async #end(machine: string, command: string[], before: CheckpointInfo, end: CommandEnd): Promise<number> {
    const code = shellExitCode(end);
    try {
      const outcome = isSuccess(end) ? 'keep' : await this.#outcomeOfFailure(command, before, end);
      // The signal that ended the command is no wish to lose track of what it did.
      const ended = await this.#engine.guards.guardEnd({ machine, checkpoint: before.id, end, outcome }, {});
      if (this.#output.isJson) {
        this.#output.result({ ...ended, end }, '');
      } else {
        this.#say(outcomeText(ended));
      }
      return code;
    } catch (error) {
      const wire = toWireError(error);
      const wayOut = `The checkpoint before the command is there: ckpt end-guard ${machine} ${before.id.slice(0, 8)} --outcome revert (or keep).`;
      this.#output.error({ ...wire, message: `${wire.message} ${wayOut}`, data: { ...wire.data, end } });
      return code === 0 ? guardExitCode.guardFailed : code;
    }
  }

  async #runCommand(machine: string, command: string[]): Promise<CommandEnd> {
    if (this.#options.guest !== true) {
      return runHere(command, this.#output.isJson ? 'error' : 'own');
    }
    const ran = await execInGuest(this.#engine, machine, command, this.#options.timeout, this.#call);
    printOutputs(ran, this.#output.isJson ? process.stderr : process.stdout);
    return {
      ...(ran.exitCode === undefined ? {} : { exitCode: ran.exitCode }),
      ...(ran.signal === undefined ? {} : { signal: ran.signal }),
    };
  }

  async #outcomeOfFailure(command: string[], before: CheckpointInfo, end: CommandEnd): Promise<Outcome> {
    const { onFail } = this.#options;
    if (onFail !== 'ask') {
      return onFail;
    }
    const what = `${commandName(command)}: ${endText(end)}.`;
    if (!process.stdin.isTTY || !process.stderr.isTTY) {
      this.#say(`${what} Nobody can be asked without a terminal, so it is kept; --on-fail says what else to do.`);
      return 'keep';
    }
    const questions = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const answer = await questions.question(`ckpt: ${what} Revert to “${before.name}”? [y/N] `);
      return /^\s*y/i.test(answer) ? 'revert' : 'keep';
    } finally {
      questions.close();
    }
  }

  /** What the guard itself says goes to standard error: standard output is the command's. */
  #say(text: string): void {
    if (!this.#output.isJson) {
      process.stderr.write(`ckpt: ${text}\n`);
    }
  }
}

async function execInGuest(
  { guards }: Engine,
  machine: string,
  command: string[],
  timeoutSeconds: number | undefined,
  call: Call,
): Promise<GuardOperations['guestExec']['result']> {
  const limit = timeoutSeconds === undefined ? {} : { timeoutSeconds };
  return guards.guestExec(parseParams('guestExec', { machine, command, ...limit }), call);
}

function printOutputs(
  { output, errorOutput, isCutShort }: GuardOperations['guestExec']['result'],
  target: NodeJS.WritableStream = process.stdout,
): void {
  target.write(Buffer.from(output, 'base64'));
  process.stderr.write(Buffer.from(errorOutput, 'base64'));
  if (isCutShort) {
    process.stderr.write('ckpt: There was more output than the agent in the guest keeps.\n');
  }
}

function outcomeText({ machine, before, after, kept, steps, isEmpty }: Ended): string {
  if (isEmpty) {
    return `No disk of “${machine.name}” was written: the two checkpoints are in the trash.`;
  }
  if (before.guard?.end?.outcome === 'reverted') {
    const undo =
      kept === undefined ? '' : ` What the command left is kept as “${kept.name}”; ckpt undo goes back to it.`;
    return `Reverted “${machine.name}” to “${before.name}”.${undo} ${tellSteps(steps)}`.trimEnd();
  }
  return after === undefined
    ? `Kept. Now no longer grows from “${before.name}”, so no second checkpoint was taken.`
    : `Kept: “${before.name}” and “${after.name}”.`;
}
