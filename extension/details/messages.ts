/** What passes between the extension and a page. The page is not believed: what it sends is parsed. */
import * as z from 'zod/mini';
import { pageCommands } from './page-commands.ts';
import type { DetailsModel } from './page-model.ts';

/** A checkpoint's id, or Now's; nobody else's ids get anywhere, because commands look them up. */
const pointId = z.string().check(z.minLength(1), z.maxLength(200));

/** The engine says what notes may be. */
const notesText = z.string().check(z.maxLength(1_000_000));

const fromPage = z.discriminatedUnion('kind', [
  /** It was loaded, for the first time or again, and wants to know what to show. */
  z.object({ kind: z.literal('ready') }),
  /** A checkpoint is looked at whose console is not in the model. */
  z.object({ kind: z.literal('look'), point: pointId }),
  z.object({ kind: z.literal('run'), command: z.enum(pageCommands), point: pointId }),
  z.object({
    kind: z.literal('saveNotes'),
    checkpoint: pointId,
    notes: notesText,
    /** What they were when the person began to write. */
    before: notesText,
  }),
]);

export type FromPage = z.infer<typeof fromPage>;

/** @returns undefined for what is no message */
export function parseFromPage(message: unknown): FromPage | undefined {
  const parsed = z.safeParse(fromPage, message);
  return parsed.success ? parsed.data : undefined;
}

/** What a page keeps when it is closed with its window; see page/page-state.ts. */
const keptState = z.object({ machine: z.string().check(z.minLength(1)) });

/** The machine that a page of an earlier window showed. */
export function machineOfState(state: unknown): string | undefined {
  const parsed = z.safeParse(keptState, state);
  return parsed.success ? parsed.data.machine : undefined;
}

/** What became of notes that were to be saved. */
export interface NotesAnswer {
  kind: 'notes';
  checkpoint: string;
  /** `changed`: they are not what they were, and were not saved. */
  outcome: 'saved' | 'changed' | 'failed';
  /** A sentence. */
  text: string;
  /** What they are, when they were changed. */
  theirs?: string;
}

export type ToPage =
  | NotesAnswer
  | { kind: 'model'; machine: string; model: DetailsModel }
  /** To show a point. */
  | { kind: 'select'; point: string };
