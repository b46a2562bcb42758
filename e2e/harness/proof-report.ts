import { appendFileSync } from 'node:fs';

/** What one part of `npm run prove` has counted. */
export interface ProofReport {
  /** Which number of the page these add to. */
  readonly part: string;
  readonly counts: Readonly<Record<string, number>>;
}

/** Hands the counts of a test to `npm run prove`, where that has started it; shows them in any case. */
export function reportProof(report: ProofReport): void {
  const line = JSON.stringify(report);
  console.info(line);
  const file = process.env['HOLDFAST_PROOF_REPORT'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}
