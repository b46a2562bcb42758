/** The page of `npm run prove`: what the parts of the proof have reported, added up, and whether it is enough. */
import type { ProofReport } from '../harness/proof-report.ts';

export type Counts = Readonly<Record<string, number>>;

/** What one command of the proof has done. */
export interface PartRun {
  readonly name: string;
  readonly exitCode: number;
  /** All that it printed; its reports are lines of their own in it. */
  readonly output: string;
  readonly seconds: number;
}

export interface PartResult {
  readonly name: string;
  readonly counts: Counts;
  readonly seconds: number;
  /** In words; empty where the part has proven something. */
  readonly faults: readonly string[];
}

/** The lines of the page: what is counted, and under which name. */
const TOTALS: readonly (readonly [title: string, show: (counts: Counts) => string])[] = [
  ['seeds run', (counts) => number(counts['seeds'])],
  ['simulated cluster-hours', ({ simulatedMs = 0 }) => (simulatedMs / 3_600_000).toFixed(2)],
  ['states after a crash, all different', (counts) => number(counts['states'])],
  ['lives of a log or a store, one after the other on a disk', (counts) => number(counts['lives'])],
  ['power cuts, of volumes and simulated', (counts) => number(counts['cuts'])],
  ['kills (kill -9), of processes and simulated', (counts) => number(counts['kills'])],
  ['system calls that failed', (counts) => number(counts['injected'])],
  ['histories checked for linearizability', (counts) => number(counts['histories'])],
  ['operations in them', (counts) => number(counts['operations'])],
  ['acknowledged writes verified', (counts) => number(counts['acknowledged'])],
  ['golden folders opened', (counts) => number(counts['folders'])],
  ['violations', (counts) => number(counts['violations'])],
  ['mutants killed', ({ killed, mutants }) => `${number(killed)} of ${number(mutants)}`],
];

/** Reads what a part reported, and says what is wrong with it. */
export function judgePart({ name, exitCode, output, seconds }: PartRun): PartResult {
  const counts = addUp(readReports(output).map((report) => report.counts));
  const faults: string[] = [];
  if (exitCode !== 0) faults.push(`it ended with exit code ${exitCode}`);
  const { violations, mutants, killed } = counts;
  const isNothing = Object.values(counts).every((count) => count === 0);
  if (isNothing) faults.push('it has done nothing');
  else if (violations === undefined && (mutants === undefined || killed === undefined)) {
    faults.push('it reports neither violations nor mutants');
  }
  if ((violations ?? 0) > 0) faults.push(`${violations} violations`);
  if ((killed ?? 0) !== (mutants ?? 0))
    faults.push(`${killed ?? 0} of ${mutants ?? 0} mutants killed`);
  return { name, counts, seconds, faults };
}

/** The page, in Markdown. `when`: date and commit. */
export function describePage(results: readonly PartResult[], when: string): string {
  const total = addUp(results.map(({ counts }) => counts));
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  return [
    `${when}; ${(seconds / 60).toFixed(1)} minutes.`,
    '',
    '| what | |',
    '| --- | --- |',
    ...TOTALS.map(([title, show]) => `| ${title} | ${show(total)} |`),
    '',
    '| part | counted | s |',
    '| --- | --- | --- |',
    ...results.map(describePart),
  ].join('\n');
}

function describePart({ name, counts, seconds, faults }: PartResult): string {
  const counted = Object.entries(counts).map(([what, count]) => `${number(count)} ${what}`);
  const verdict = faults.length === 0 ? '' : ` **${faults.join('; ')}**`;
  return `| ${name} | ${counted.join(', ')}${verdict} | ${seconds.toFixed(0)} |`;
}

function readReports(output: string): ProofReport[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{"part":'))
    .map((line) => JSON.parse(line) as ProofReport);
}

function addUp(all: readonly Counts[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [what, count] of all.flatMap((counts) => Object.entries(counts))) {
    sums[what] = (sums[what] ?? 0) + count;
  }
  return sums;
}

function number(value: number | undefined): string {
  return (value ?? 0).toLocaleString('en-US');
}
