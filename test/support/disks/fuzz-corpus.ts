import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { FoundMutations } from './mutate.ts';

const corpusFile = z.array(
  z.strictObject({
    /** Which of the test's images was changed; those are the same in every run. */
    image: z.string(),
    answer: z.string(),
    isResealed: z.boolean(),
    mutations: z.array(
      z.union([z.strictObject({ offset: z.number(), hex: z.string() }), z.strictObject({ truncateTo: z.number() })]),
    ),
  }),
);

/**
 * Mutations of one format's images that are tried in every run before random ones: one for each image and each answer that
 * was ever seen, and what went wrong once. With CKPT_FUZZ_KEEP=1 a run adds those whose answer is new.
 */
export class FuzzCorpus {
  readonly #file: string;
  readonly #entries: z.output<typeof corpusFile>;

  /** @param folder the format's folder of tests, which has the corpus in `corpus.json` */
  constructor(folder: string) {
    this.#file = path.join(folder, 'corpus.json');
    this.#entries = existsSync(this.#file) ? corpusFile.parse(JSON.parse(readFileSync(this.#file, 'utf8'))) : [];
  }

  of(image: string): readonly FoundMutations[] {
    return this.#entries.filter((entry) => entry.image === image);
  }

  keep(image: string, found: FoundMutations): void {
    const isKnown = this.#entries.some((entry) => entry.image === image && entry.answer === found.answer);
    if (process.env['CKPT_FUZZ_KEEP'] === '1' && !isKnown) {
      this.#entries.push({ image, ...found });
      const lines = this.#entries.map((entry) => JSON.stringify(entry));
      writeFileSync(this.#file, `[\n${lines.join(',\n')}\n]\n`);
    }
  }
}
