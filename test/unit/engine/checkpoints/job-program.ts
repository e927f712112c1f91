// A program with jobs of its own, as the engine is one.
// Usage: job-program.ts job ID --home HOME | start HOME OPERATION PARAMS | ckpt ARGS…
import { appendFile, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { JobService } from '../../../../engine/checkpoints/job-service.ts';
import type { RunnableJobs } from '../../../../engine/checkpoints/run-job.ts';
import { addJobVerbs } from '../../../../engine/cli/job-verbs.ts';
import { exitCode, Output } from '../../../../engine/cli/output.ts';
import { carryOutJob } from '../../../../engine/job/job.ts';
import { CheckpointError, toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { Home } from '../../../../engine/store/home.ts';

const workParams = z.strictObject({
  /** Each run adds a line; undone, the file goes. */
  file: z.string(),
  /** The work is done once there is such a file. */
  gate: z.string(),
});

const jobs: RunnableJobs = {
  work: async (params, { signal, report }) => {
    const { file, gate } = workParams.parse(params);
    try {
      signal.throwIfAborted();
      await appendFile(file, `run by ${process.pid}\n`);
      report('Working', undefined, { doneBytes: 25, totalBytes: 100 });
      while (!(await stat(gate).then(Boolean, () => false))) {
        await delay(10, undefined, { signal });
      }
      report('Working', 1);
      return { file, pid: process.pid };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  },
  refuse: async () => {
    throw new CheckpointError('NotEnoughSpace', 'The volume is 5 bytes short.', { shortBytes: 5 });
  },
  crash: async () => {
    throw new TypeError('a defect');
  },
  talk: async () => ({ text: 'x'.repeat(2 * 1024 * 1024) }),
};

const log = { info: () => undefined, error: () => undefined };

async function main([verb = '', ...args]: string[]): Promise<number> {
  const [first = '', second = '', third = ''] = args;
  switch (verb) {
    case 'job':
      return carryOutJob(new Home(third), first, jobs);
    case 'start': {
      const service = new JobService({ home: new Home(first), face: 'a window', log });
      const params: unknown = JSON.parse(third);
      const job = await service.start({ operation: second, params: z.record(z.string(), z.unknown()).parse(params) });
      process.stdout.write(`${job.id}\n`);
      // Stays, as a window does.
      await delay(3_600_000);
      return 0;
    }
    default:
      return ckpt(args);
  }
}

async function ckpt(args: string[]): Promise<number> {
  const output = new Output(args.includes('--json'));
  const program = new Command('ckpt').exitOverride();
  addJobVerbs(program, output, ({ home }) => new JobService({ home, face: 'ckpt', log }));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode.done;
  } catch (error) {
    const wire = toWireError(error);
    output.error(wire);
    return wire.code === 'Cancelled' ? exitCode.cancelled : exitCode.failed;
  }
}

void main(process.argv.slice(2)).then((code) => process.exit(code));
