/**
 * Random numbers in [0, 1), the same ones in every run: what a test finds today is not to fail somebody else's change tomorrow.
 * Others are looked for with CKPT_SEED=random, and had again by the number that is printed.
 */
export function seededRandom(): () => number {
  const wanted = process.env['CKPT_SEED'] ?? '1';
  const seed = wanted === 'random' ? Math.floor(Math.random() * 2 ** 32) : Number(wanted) >>> 0;
  console.log(`CKPT_SEED=${seed}`);
  return randomFrom(seed);
}

/** The same numbers in [0, 1) for the same seed (Mulberry32, a public-domain generator). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
