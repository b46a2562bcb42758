/** What one part of `npm run prove` has counted. `docs/testing.md` has the names of the counts. */
export interface ProofReport {
  readonly part: string;
  readonly counts: Readonly<Record<string, number>>;
}

/** Hands the counts of a part to `npm run prove`, which reads them on the standard output. */
export function reportProof(report: ProofReport): void {
  console.info(JSON.stringify(report));
}
