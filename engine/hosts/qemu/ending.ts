import { writeFileSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { say } from '../../model/sayings.ts';
import type { Sentence } from '../../protocol/sentences.ts';
import { isOfThisBoot } from '../../store/process-identity.ts';
import type { ProcessRecord } from '../../store/records.ts';

/**
 * QEMU tells on its standard output, to whoever reads it later, what becomes of the machine: it is a control connection of
 * its own, on which nothing is ever asked but to begin (QEMU docs/interop/qmp-spec.rst, section 2.2).
 */
const beginning = `${JSON.stringify({ execute: 'qmp_capabilities' })}\n`;
/** The end of the machine's life is at the end. */
const longestTailBytes = 64 * 1024;

const line = z.object({
  event: z.string(),
  data: z.object({ reason: z.string().optional(), action: z.string().optional() }).optional(),
});
const exit = z.object({ code: z.int().nullable(), signal: z.string().nullable() });

/** What is known of how a process ended. */
export interface Ending {
  pid: number | undefined;
  /** What it wrote on standard error. */
  words: string | undefined;
  /** `ShutdownCause` of QEMU's run-state schema; undefined when it said nothing of an end. */
  reason: string | undefined;
  /** Whether it had begun to tell of the machine; an older engine did not ask it to. */
  isTold: boolean;
  /** Whether the guest reported a crash of its own, and was not reset since. */
  hasPanicked: boolean;
  isOfThisBoot: boolean;
  /** Known where the engine that started it saw it end. */
  exit?: { code: number | null; signal: string | null };
}

/** Standard input and output of a QEMU that tells of its machine. The caller closes both. */
export async function openEvents(
  socketsFolder: string,
): Promise<{ input: number; output: number; close(): Promise<void> }> {
  const place = path.join(socketsFolder, 'events.in');
  await writeFile(place, beginning, { mode: 0o600 });
  const input = await open(place, 'r');
  const output = await open(eventsLog(socketsFolder), 'a', 0o600);
  return {
    input: input.fd,
    output: output.fd,
    close: async () => {
      await input.close();
      await output.close();
    },
  };
}

/** Puts on record how a process ended, for everybody else to read. */
export function noteExit(socketsFolder: string, code: number | null, signal: NodeJS.Signals | null): void {
  try {
    writeFileSync(path.join(socketsFolder, 'exit.json'), JSON.stringify({ code, signal }), { mode: 0o600 });
  } catch {
    // It was told to end, and its folder has gone already.
  }
}

/**
 * How a process that is on record, and no more there, came to its end.
 * @param words what it wrote on standard error
 * @returns undefined when it ended as it was to
 */
export async function endingOf(record: ProcessRecord, words: string | undefined): Promise<Sentence[] | undefined> {
  const told = await toldEvents(record.socketsFolder);
  const found = await readFile(path.join(record.socketsFolder, 'exit.json'), 'utf8').catch(() => '');
  const seen = parse(exit, found);
  return sayEnding({
    pid: record.pid,
    words,
    reason: told.findLast(({ event }) => event === 'SHUTDOWN')?.data?.reason,
    isTold: told.length > 0,
    hasPanicked: endsPanicked(told),
    isOfThisBoot: record.identity === undefined || (await isOfThisBoot(record.identity)),
    ...(seen === undefined ? {} : { exit: seen }),
  });
}

/** Decides what is to be told of an end; nothing of one that the guest, or an engine, asked for. */
export function sayEnding(ending: Ending): Sentence[] | undefined {
  const { pid, words, reason, isTold, hasPanicked } = ending;
  const qemu = pid === undefined ? 'QEMU' : say('qemuProcess', { pid });
  const said = words === undefined ? [] : [say('lastWords', { words })];
  if (reason === 'host-qmp-quit' || (reason === 'guest-shutdown' && !hasPanicked)) {
    return undefined;
  }
  if (hasPanicked || reason === 'guest-panic') {
    return [say('guestCrashed', { qemu }), ...said];
  }
  if (reason !== undefined) {
    return [say('qemuEnded', { qemu, reason: reasons[reason] ?? reason }), ...said];
  }
  if (!ending.isOfThisBoot) {
    return [say('computerRestarted'), ...said];
  }
  const how = ending.exit === undefined ? undefined : (ending.exit.signal ?? sayExit(ending.exit.code));
  if (isTold) {
    return [how === undefined ? say('endedWithoutWord', { qemu }) : say('killedOrCrashed', { qemu, how }), ...said];
  }
  return words === undefined
    ? undefined
    : [how === undefined ? say('qemuEndedSaying', { qemu, words }) : say('qemuEndedSayingBy', { qemu, how, words })];
}

function sayExit(code: number | null): Sentence {
  return say('exitCode', { code: code ?? '?' });
}

const reasons: Readonly<Record<string, Sentence>> = {
  'host-signal': say('bySignal'),
  'host-error': say('afterError'),
  'host-ui': say('wasClosed'),
  'guest-reset': say('guestReset'),
  'subsystem-reset': say('guestReset'),
};

/** What QEMU has told of late, the last of it at the end. */
export async function toldEvents(socketsFolder: string): Promise<z.output<typeof line>[]> {
  return (await tailOf(eventsLog(socketsFolder))).split('\n').flatMap((text) => parse(line, text) ?? []);
}

/** Whether the last that was heard of the guest's kernel is that it panicked: it is another one after a reset. */
export function endsPanicked(told: readonly { event: string }[]): boolean {
  return told.findLast(({ event }) => event === 'GUEST_PANICKED' || event === 'RESET')?.event === 'GUEST_PANICKED';
}

/** What QEMU tells, line by line. */
export function eventsLog(socketsFolder: string): string {
  return path.join(socketsFolder, 'events.log');
}

async function tailOf(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) {
    return '';
  }
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, longestTailBytes));
    const { bytesRead } = await handle.read(tail, 0, tail.length, size - tail.length);
    return tail.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

function parse<S extends z.ZodType>(schema: S, text: string): z.output<S> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
