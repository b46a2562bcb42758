/** What many runs were together: as a part of the proof reports it (docs/testing.md), and in words. */
import type { SimulationReport } from './simulate.ts';

export interface SimulationSummary {
  readonly part: 'simulation';
  readonly counts: Readonly<Record<string, number>>;
}

export function summarise(reports: readonly SimulationReport[]): SimulationSummary {
  const sum = sumOf(reports);
  const struck = strikesOf(reports);
  return {
    part: 'simulation',
    counts: {
      seeds: reports.length,
      simulatedMs: Math.round(sum(({ simulatedMs }) => simulatedMs)),
      cuts: sum(({ powerCuts }) => powerCuts),
      kills: sum(({ kills }) => kills),
      partitions: PARTITIONS.reduce((total, name) => total + (struck[name] ?? 0), 0),
      histories: sum(({ histories }) => histories),
      operations: sum(({ operations }) => operations),
      acknowledged: sum(({ acknowledgedWrites }) => acknowledgedWrites),
      objects: sum(({ verifiedVersions }) => verifiedVersions),
      violations: sum(({ violations }) => violations.length),
    },
  };
}

/** How fast it was, and how often each fault struck. */
export function describe(reports: readonly SimulationReport[]): string {
  const sum = sumOf(reports);
  const simulatedSeconds = sum(({ simulatedMs }) => simulatedMs) / 1000;
  const processorSeconds = sum(({ processorMs }) => processorMs) / 1000;
  const rate = sum(({ operations }) => operations) / simulatedSeconds;
  const strikes = Object.entries(strikesOf(reports)).map(([name, count]) => `${name} ${count}`);
  const replacements = sum((report) => report.replacements);
  return [
    `${(simulatedSeconds / 3600).toFixed(2)} hours of clusters in ${processorSeconds.toFixed(0)} s of one processor: ` +
      `${(simulatedSeconds / processorSeconds).toFixed(1)} times real time at ${rate.toFixed(0)} operations a second`,
    `${strikes.sort().join(', ')}; machines replaced: ${replacements}`,
  ].join('\n');
}

const PARTITIONS = ['partition', 'one-way cut', 'isolation'];

function sumOf(reports: readonly SimulationReport[]) {
  return (of: (report: SimulationReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
}

function strikesOf(reports: readonly SimulationReport[]): Record<string, number> {
  const struck: Record<string, number> = {};
  for (const { faults } of reports) {
    for (const [name, count] of Object.entries(faults)) struck[name] = (struck[name] ?? 0) + count;
  }
  return struck;
}
