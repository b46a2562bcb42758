import type { HistogramCounts } from '@holdfast/wal';

/** A histogram that was counted elsewhere, as Prometheus text; `scale` turns its unit into the metric's. */
export function histogramText(
  name: string,
  help: string,
  counts: HistogramCounts,
  scale: number,
): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  let cumulative = 0;
  for (const [at, bound] of counts.bounds.entries()) {
    cumulative += counts.counts[at] ?? 0;
    lines.push(`${name}_bucket{le="${numberText(bound * scale)}"} ${cumulative}`);
  }
  lines.push(`${name}_bucket{le="+Inf"} ${counts.count}`);
  lines.push(`${name}_sum ${counts.sum * scale}`, `${name}_count ${counts.count}`);
  return `${lines.join('\n')}\n`;
}

/** Without the last digits that a multiplication leaves behind. */
function numberText(value: number): string {
  return String(Number(value.toPrecision(12)));
}
