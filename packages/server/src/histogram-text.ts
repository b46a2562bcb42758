import type { HistogramCounts } from '@holdfast/wal';

/** What was counted of one kind, or of all. */
export interface HistogramSeries {
  /** Such as `operation="GetObject"`; empty for all. */
  readonly labels: string;
  readonly counts: HistogramCounts;
}

/** Histograms that were counted elsewhere, as Prometheus text; `scale` turns their unit into the metric's. */
export function histogramText(
  name: string,
  help: string,
  series: Iterable<HistogramSeries>,
  scale: number,
): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const { labels, counts } of series) {
    const more = labels === '' ? '' : `,${labels}`;
    const only = labels === '' ? '' : `{${labels}}`;
    let cumulative = 0;
    for (const [at, bound] of counts.bounds.entries()) {
      cumulative += counts.counts[at] ?? 0;
      lines.push(`${name}_bucket{le="${numberText(bound * scale)}"${more}} ${cumulative}`);
    }
    lines.push(`${name}_bucket{le="+Inf"${more}} ${counts.count}`);
    lines.push(`${name}_sum${only} ${counts.sum * scale}`, `${name}_count${only} ${counts.count}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Without the last digits that a multiplication leaves behind. */
function numberText(value: number): string {
  return String(Number(value.toPrecision(12)));
}
