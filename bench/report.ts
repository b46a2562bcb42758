import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** One figure beside its bound or peer of the same run. */
export interface Row {
  readonly what: string;
  /** Measured, with its unit. */
  readonly holdfast: string;
  /** What it is measured against, with its figure. */
  readonly beside: string;
  /** holdfast / beside, or undefined where only printed. */
  readonly ratio: number | undefined;
  /** What to reach: the least (or, for `atMost`, the largest) ratio. */
  readonly reach: { readonly atLeast: number } | { readonly atMost: number } | undefined;
  /** What holds the figure back where it is not reached. */
  readonly note?: string;
}

export interface SuiteResult {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Files beside the page, which its notes show. */
  readonly pictures?: readonly { readonly name: string; readonly svg: string }[];
}

/** The middle value; of an even number, the lower middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}

/** What to say of a row that has something to reach. */
function verdictOf({ reach, ratio }: Row): string {
  if (reach === undefined || ratio === undefined) return '**not measured**';
  const reached = 'atLeast' in reach ? ratio >= reach.atLeast : ratio <= reach.atMost;
  return reached ? 'reached' : '**not reached**';
}

/** The page that is committed: a table a suite, the machine, the date and the commit. */
export function renderMarkdown(
  results: readonly SuiteResult[],
  date: string,
  asked?: string,
): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const command = asked === undefined ? 'npm run bench' : `npm run bench -- ${asked}`;
  const lines = [
    '# Benchmarks',
    '',
    `Made by \`${command}\` on ${date} at commit ${commit}: ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}.`,
    'Every figure stands beside its bound or peer, measured in the same run; machines are shared, so the ratios',
    'mean more than the figures. Medians of interleaved rounds.',
  ];
  for (const result of results) {
    lines.push(
      '',
      `## ${result.title}`,
      '',
      '| what | Holdfast | beside it | ratio | reach | |',
      '|---|---|---|---|---|---|',
    );
    for (const row of result.rows) lines.push(renderRow(row));
    for (const row of result.rows)
      if (row.note !== undefined) lines.push('', `${row.what}: ${row.note}`);
  }
  return `${lines.join('\n')}\n`;
}

function renderRow(row: Row): string {
  const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2);
  const reach =
    row.reach === undefined
      ? ''
      : 'atLeast' in row.reach
        ? `>= ${row.reach.atLeast}`
        : `<= ${row.reach.atMost}`;
  const verdict = row.reach === undefined ? '' : verdictOf(row);
  return `| ${row.what} | ${row.holdfast} | ${row.beside} | ${ratio} | ${reach} | ${verdict} |`;
}
