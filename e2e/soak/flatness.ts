/** Whether what a process holds grows: decided from samples, by a rule that is fixed before the run. */

export interface Sample {
  /** Since the run began. */
  readonly atMs: number;
  /** n1, n2, and so on. */
  readonly node: string;
  /** A number of its own for each start of a node. */
  readonly life: number;
  readonly residentBytes: number;
  readonly descriptors: number;
}

export type Measure = 'residentBytes' | 'descriptors';

/** How far a line through the samples may rise, from the first to the last of them. */
export interface Allowance {
  /** Of its height at the first. */
  readonly share: number;
  /** And so much more. */
  readonly more: number;
}

const MIB = 1024 * 1024;

/** Memory may rise by a tenth, which garbage collection moves it by; descriptors by a few, of files and clients. */
const ALLOWANCES: Readonly<Record<Measure, Allowance>> = {
  residentBytes: { share: 0.1, more: 4 * MIB },
  descriptors: { share: 0, more: 8 },
};

/** The first third of a life is the time to warm up: caches fill, and the compiler of Node.js works. */
const WARM_UP_SHARE = 1 / 3;
const LEAST_SAMPLES = 12;

export interface Flatness {
  readonly node: string;
  readonly measure: Measure;
  /** After the warm-up. */
  readonly samples: number;
  readonly minutes: number;
  /** Of the line at the first and the last sample. */
  readonly first: number;
  readonly last: number;
  readonly isFlat: boolean;
}

/** Judges the longest life of each of `nodes`. Throws where there are too few samples to say anything. */
export function judgeFlatness(samples: readonly Sample[], nodes: readonly string[]): Flatness[] {
  return nodes.flatMap((node) => {
    const judged = afterWarmUp(longestLife(samples.filter((sample) => sample.node === node)));
    if (judged.length < LEAST_SAMPLES) {
      throw new Error(`${node}: ${judged.length} samples after the warm-up tell nothing`);
    }
    return (['residentBytes', 'descriptors'] as const).map((measure) =>
      judge(node, measure, judged),
    );
  });
}

function judge(node: string, measure: Measure, samples: readonly Sample[]): Flatness {
  const points = samples.map((sample) => ({ x: sample.atMs, y: sample[measure] }));
  const slope = medianSlope(points);
  const height = median(points.map(({ x, y }) => y - slope * x));
  const [from, to] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
  const [first, last] = [height + slope * from, height + slope * to];
  const { share, more } = ALLOWANCES[measure];
  return {
    node,
    measure,
    samples: points.length,
    minutes: (to - from) / 60_000,
    first,
    last,
    isFlat: last - first <= share * first + more,
  };
}

function longestLife(samples: readonly Sample[]): readonly Sample[] {
  const lives = Map.groupBy(samples, ({ life }) => life);
  const byLength = [...lives.values()].toSorted((one, other) => lengthMs(other) - lengthMs(one));
  return byLength[0] ?? [];
}

function lengthMs(life: readonly Sample[]): number {
  return (life.at(-1)?.atMs ?? 0) - (life[0]?.atMs ?? 0);
}

function afterWarmUp(life: readonly Sample[]): readonly Sample[] {
  const from = (life[0]?.atMs ?? 0) + lengthMs(life) * WARM_UP_SHARE;
  return life.filter(({ atMs }) => atMs >= from);
}

/** Of the lines through any two points: a few outliers do not move it. Source: Theil 1950, Sen 1968. */
function medianSlope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const slopes: number[] = [];
  for (const [at, one] of points.entries()) {
    for (const other of points.slice(at + 1)) {
      if (other.x > one.x) slopes.push((other.y - one.y) / (other.x - one.x));
    }
  }
  return median(slopes);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}
