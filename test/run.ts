// Sets up what the tests need, runs them, and ends with the plain line `N passed, N failed, N skipped`.
// Usage: npm test [-- SUITE…], with the suites below; all of them by default.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from 'node:test';
import { staticChecks } from './support/static-checks.ts';
import { newerQemu } from './support/newer-qemu.ts';
import { type Outcome, outcomesOf } from './support/outcomes.ts';
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
  /** How often a file may be tried: a click can go wrong on a machine that stands still for seconds. It is told. */
  tries: number;
  setUp(log: (line: string) => void): Promise<void>;
}

const suites: Readonly<Record<string, Suite>> = {
  unit: {
    folder: 'test/unit',
    concurrency: 2,
    limitMinutes: 10,
    tries: 1,
    async setUp(log) {
      await requireQemu(log);
      await installIfPossible(diskPeerPrograms, log);
    },
  },
  machines: {
    folder: 'test/machines',
    concurrency: 1,
    limitMinutes: 12,
    tries: 1,
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
    tries: 2,
    async setUp(log) {
      await requireQemu(log);
      await demoGuest(log);
      await requirePrograms([...browserPrograms, ...nativeBuildPrograms], log);
      await packageExtension();
    },
  },
};

const outcomes: Outcome[] = [];
/** What failed at its first try and passed at its second. */
const unsteady: Outcome[] = [];

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
      outcomes.push(told({ kind: 'passed', title: check.name }));
    } catch (error) {
      const why = error instanceof ProgramError ? error.message : String(error);
      outcomes.push(told({ kind: 'failed', title: check.name, why }));
    }
  }
}

async function runSuite(suite: Suite): Promise<void> {
  const files = (await readdir(path.join(projectFolder, suite.folder), { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
    .map((file) => path.join(projectFolder, suite.folder, file));
  for (const together of suite.concurrency === 1 ? files.map((file) => [file]) : [files]) {
    outcomes.push(...(await runFiles(suite, together)));
  }
}

/** The outcomes of the last try. */
async function runFiles(suite: Suite, files: string[]): Promise<Outcome[]> {
  const earlier: Outcome[] = [];
  for (let tries = 1; ; tries += 1) {
    const found: Outcome[] = [];
    const { concurrency, limitMinutes } = suite;
    for await (const outcome of outcomesOf(run({ files, concurrency, timeout: limitMinutes * 60_000 }))) {
      found.push(told(outcome, tries < suite.tries ? 'UNSTEADY' : 'FAILED'));
    }
    const failed = found.filter(({ kind }) => kind === 'failed');
    if (failed.length === 0) {
      unsteady.push(...earlier);
      return found;
    }
    if (tries >= suite.tries) return found;
    earlier.push(...failed);
    console.log('tried once more:');
  }
}

function told(outcome: Outcome, word = 'FAILED'): Outcome {
  switch (outcome.kind) {
    case 'passed':
      console.log(`ok       ${outcome.title}`);
      break;
    case 'skipped':
      console.log(`skipped  ${outcome.title} (${outcome.why ?? ''})`);
      break;
    case 'failed':
      console.log(failureText(outcome, word));
      break;
  }
  return outcome;
}

function failureText({ title, why }: Outcome, word = 'FAILED'): string {
  return `${word.padEnd(8)} ${title}\n${why ?? ''}\n`;
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
    outcomes.push(told({ kind: 'failed', title: 'set-up', why }));
  }
  const all = (kind: Outcome['kind']): Outcome[] => outcomes.filter((outcome) => outcome.kind === kind);
  if (unsteady.length > 0) {
    console.log(`\nWhat passed only at its second try, and failed like this before:\n`);
    console.log(unsteady.map((outcome) => failureText(outcome, 'UNSTEADY')).join('\n'));
  }
  const failed = all('failed');
  if (failed.length > 0) {
    console.log(`\nWhat failed:\n\n${failed.map((outcome) => failureText(outcome)).join('\n')}`);
  }
  const passed = all('passed').length;
  console.log(`${passed} passed, ${failed.length} failed, ${all('skipped').length} skipped`);
  process.exit(failed.length > 0 || passed === 0 ? 1 : 0);
}

void runAll();
