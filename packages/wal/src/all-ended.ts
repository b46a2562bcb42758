/**
 * As `Promise.all`, but it rejects only when all have ended. Safety: who hears of one read that failed closes the file, and the
 * memory that others still read into.
 */
export async function allEnded<const Promises extends readonly unknown[]>(
  promises: Promises,
): Promise<{ -readonly [At in keyof Promises]: Awaited<Promises[At]> }> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}
