/** Runs so many rounds of that name. One that fails is told, and the others go on: what kept those from ending that did not. */
export async function inRounds(
  name: string,
  count: number,
  run: (round: number) => Promise<void>,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (let round = 1; round <= count; round++) {
    try {
      await run(round);
    } catch (error) {
      failures.push(`${name} ${round} of ${count} failed: ${(error as Error).message}`);
      process.stderr.write(`${failures.at(-1)}\n`);
    }
  }
  return failures;
}
