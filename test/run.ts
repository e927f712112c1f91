// Sets up what the tests need, runs them, and ends with the plain line `N passed, N failed, N skipped`.
// Usage: npm test [-- SUITE…], with the suites below; all of them by default.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { staticChecks } from './support/static-checks.ts';
import { newerQemu } from './support/newer-qemu.ts';
import { projectFolder, ProgramError } from './support/project.ts';
import { build, demoGuest, packageExtension, requireQemu } from './support/set-up.ts';
import {
  browserPrograms,
  diskPeerPrograms,
  firmwarePrograms,
  installIfPossible,
  nativeBuildPrograms,
  requirePrograms,
  SetUpError,
} from './support/system-programs.ts';

interface Suite {
  folder: string;
  /** Files that run at the same time; real machines and real editors run one after the other. */
  concurrency: number;
  /** After this a file counts as failed. */
  limitMinutes: number;
  setUp(log: (line: string) => void): Promise<void>;
}

const suites: Readonly<Record<string, Suite>> = {
  unit: {
    folder: 'test/unit',
    concurrency: 2,
    limitMinutes: 10,
    async setUp(log) {
      await requireQemu(log);
      await installIfPossible(diskPeerPrograms, log);
    },
  },
  machines: {
    folder: 'test/machines',
    concurrency: 1,
    limitMinutes: 12,
    async setUp(log) {
      await requireQemu(log);
      await installIfPossible(firmwarePrograms, log);
      await demoGuest(log);
      await newerQemu(log);
    },
  },
  editor: {
    folder: 'test/editor',
    concurrency: 1,
    limitMinutes: 15,
    async setUp(log) {
      await requireQemu(log);
      await demoGuest(log);
      await requirePrograms([...browserPrograms, ...nativeBuildPrograms], log);
      await packageExtension();
    },
  },
};

const counts = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];

async function main(args: string[]): Promise<void> {
  const wanted = args.length === 0 ? ['checks', ...Object.keys(suites)] : args;
  const unknown = wanted.filter((name) => name !== 'checks' && suites[name] === undefined);
  if (unknown.length > 0) {
    throw new SetUpError(
      `There is no suite ${unknown.join(', ')}. There are: checks, ${Object.keys(suites).join(', ')}.`,
    );
  }
  await build();
  for (const names of steps(wanted)) {
    console.log(`\n== ${names.join(', ')}`);
    const together = names.flatMap((name) => suites[name] ?? []);
    for (const suite of together) {
      await suite.setUp((line) => console.log(line));
    }
    await Promise.all(together.length === 0 ? [runChecks()] : together.map(runSuite));
  }
}

/** Real machines need one processor most of the time, and a real editor another: both run at once. */
function steps(wanted: readonly string[]): string[][] {
  const isSerial = (name: string): boolean => suites[name]?.concurrency === 1;
  const serial = wanted.filter(isSerial);
  return [...wanted.filter((name) => !isSerial(name)).map((name) => [name]), ...(serial.length === 0 ? [] : [serial])];
}

async function runChecks(): Promise<void> {
  for (const check of staticChecks) {
    try {
      await check.run();
      passed(check.name, []);
    } catch (error) {
      failed(check.name, [], error instanceof ProgramError ? error.message : String(error));
    }
  }
}

async function runSuite(suite: Suite): Promise<void> {
  const files = (await readdir(path.join(projectFolder, suite.folder), { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
    .map((file) => path.join(projectFolder, suite.folder, file));
  const stack: string[] = [];
  const events: AsyncIterable<TestEvent> = run({
    files,
    concurrency: suite.concurrency,
    timeout: suite.limitMinutes * 60_000,
  });
  for await (const event of events) {
    report(event, stack);
  }
}

function report(event: TestEvent, stack: string[]): void {
  switch (event.type) {
    case 'test:start':
      stack.length = event.data.nesting;
      stack.push(event.data.name);
      break;
    case 'test:pass':
      if (event.data.details.type !== 'suite') {
        const { skip, name } = event.data;
        if (skip === undefined) {
          passed(name, stack.slice(0, event.data.nesting));
        } else {
          skipped(name, stack.slice(0, event.data.nesting), typeof skip === 'string' ? skip : 'no reason given');
        }
      }
      break;
    case 'test:fail': {
      const { details, name, nesting, file } = event.data;
      // A suite fails with what is in it; only its hooks fail on their own.
      if (details.type !== 'suite' || /hook/i.test(details.error.message)) {
        const cause: unknown = details.error.cause;
        failed(
          name,
          stack.slice(0, nesting),
          `${file ?? ''}\n${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`,
        );
      }
      break;
    }
    case 'test:stderr':
    case 'test:stdout':
      process.stdout.write(event.data.message);
      break;
    case 'test:diagnostic':
      if (event.data.nesting > 0) {
        console.log(`  # ${event.data.message}`);
      }
      break;
    default:
  }
}

function passed(name: string, within: string[]): void {
  counts.passed += 1;
  console.log(`ok       ${[...within, name].join(' › ')}`);
}

function skipped(name: string, within: string[], reason: string): void {
  counts.skipped += 1;
  console.log(`skipped  ${[...within, name].join(' › ')} (${reason})`);
}

function failed(name: string, within: string[], why: string): void {
  counts.failed += 1;
  const text = `FAILED   ${[...within, name].join(' › ')}\n${why}\n`;
  failures.push(text);
  console.log(text);
}

async function runAll(): Promise<void> {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    const why =
      error instanceof SetUpError
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    failed('set-up', [], why);
  }
  if (failures.length > 0) {
    console.log(`\nWhat failed:\n\n${failures.join('\n')}`);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
}

void runAll();
