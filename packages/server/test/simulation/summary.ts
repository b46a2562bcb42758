/** What many runs were together. */
import type { SimulationReport } from './simulate.ts';

export interface SimulationSummary {
  readonly seeds: number;
  /** Simulated hours of whole clusters. */
  readonly clusterHours: number;
  readonly powerCuts: number;
  readonly kills: number;
  /** Histories of clients that were checked for linearizability: one of each key. */
  readonly histories: number;
  readonly operations: number;
  readonly acknowledgedWrites: number;
  readonly violations: number;
  /** Of all processes together. */
  readonly processorSeconds: number;
  /** Simulated seconds in a second of one core. */
  readonly timesRealTime: number;
  readonly operationsPerSimulatedSecond: number;
  readonly faults: Readonly<Record<string, number>>;
}

export function summarise(reports: readonly SimulationReport[]): SimulationSummary {
  const sum = (of: (report: SimulationReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const simulatedSeconds = sum(({ simulatedMs }) => simulatedMs) / 1000;
  const processorSeconds = sum(({ processorMs }) => processorMs) / 1000;
  const operations = sum((report) => report.operations);
  const faults: Record<string, number> = {};
  for (const report of reports) {
    for (const [name, count] of Object.entries(report.faults)) {
      faults[name] = (faults[name] ?? 0) + count;
    }
  }
  return {
    seeds: reports.length,
    clusterHours: rounded(simulatedSeconds / 3600),
    powerCuts: sum((report) => report.powerCuts),
    kills: sum((report) => report.kills),
    histories: sum((report) => report.histories),
    operations,
    acknowledgedWrites: sum((report) => report.acknowledgedWrites),
    violations: reports.filter(({ violations }) => violations.length > 0).length,
    processorSeconds: rounded(processorSeconds),
    timesRealTime: rounded(simulatedSeconds / processorSeconds),
    operationsPerSimulatedSecond: rounded(operations / simulatedSeconds),
    faults,
  };
}

function rounded(value: number): number {
  return Number(value.toFixed(2));
}
