/**
 * Waits for things that wait for the disk beside one another: what is made durable in one go costs hardly more than one of it.
 * @throws the first error, in the order given; only once all have ended, so that nothing goes on behind whoever takes it back
 */
export async function together(...works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}
