import type { WireError } from './errors.ts';

/**
 * What the engine tells beside its errors, sentence by sentence: the English of each code, with the names of its facts in
 * braces. A front end in another language words the code; one that does not know it shows the English text that comes along.
 */
export const sentences = {
  // What was done for a guest that goes on, or came back with its memory.
  clockRight: "The guest's clock is right, within {milliseconds} ms.",
  clockSet: "The guest's clock is set.",
  clockSetFrom: "The guest's clock is set; it was {offset}.",
  clockNotSet: "The guest's clock could not be set.",
  clockNotSetAt: "The guest's clock could not be set and is {offset}.",
  clockToBeSet: 'Set it in the guest.',
  secondsAhead: '{seconds} s ahead',
  secondsBehind: '{seconds} s behind',
  noAgent:
    'No agent answers in the guest, so its clock goes on from where it stood. Set it in the guest (Linux: hwclock --hctosys), or install the QEMU guest agent there.',
  guestIsPaused: 'The guest is paused; its clock is set when it is resumed.',
  newGeneration: 'The guest has a new generation id.',
  noGenerationDevice: 'The machine has no device that tells its guest of a new generation: it was made without.',
  networkRenewed: 'The guest has renewed its addresses.',
  networkNotRenewed: "The guest's addresses could not be renewed: {reason} Renew them in the guest.",
  consoleJoined: 'The console has joined again.',
  consoleNotJoined: 'The console that was open has not joined again. Open it once more.',

  // A volume that is going to be full.
  volumeLow: 'The volume of {volume} has {free} free.',
  volumeLowInMinutes: 'The volume of {volume} has {free} free, which last for about {minutes} min at this rate.',
  volumeLowAtOnce: 'The volume of {volume} has {free} free, which is gone within a minute.',
  machinesWillStand: 'Machines that write there stand still once it is full: {machines}.',
  freeOrPause: 'Free space, or pause them.',

  // Parts of sentences.
  quoted: '“{name}”',
} as const;

export type SentenceCode = keyof typeof sentences;

type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** Names of the facts of a sentence. */
export type FactName<Code extends SentenceCode> = NamesIn<(typeof sentences)[Code]>;

/** Several are told in a row, separated by commas. */
export type Fact = string | number | Saying | readonly Fact[];

export interface Sentence {
  code: SentenceCode;
  /** By the names in the sentence. */
  facts: Readonly<Record<string, Fact>>;
}

/** A sentence, or what became of something as an error tells it. */
export type Saying = Sentence | { error: WireError };
