import { readFileSync } from 'node:fs';
import { type LinkKind, openLink, startSink } from '../peers/network-link.ts';
import { median, type Row, type SuiteResult } from '../report.ts';

const ROUNDS = 5;
const SMALL = { sizeBytes: 128, count: 300_000 };
const LARGE = { sizeBytes: 1024 * 1024, count: 600 };
const PINGS = 2000;
/** Heartbeats while 4 MiB appends go on. */
const LOADED_PINGS = 300;
/** Of /proc (USER_HZ). */
const TICKS_PER_SECOND = 100;
const APPEND = { sizeBytes: 4 * 1024 * 1024, count: 8 };

interface Figures {
  readonly frames: Rate;
  readonly bytes: Rate;
  readonly pings: Rate;
}

/** What passed in a second, and what in a second of processor time of both processes together. */
interface Rate {
  readonly perSecond: number;
  readonly perProcessorSecond: number;
}

/** Frames to another process beside bare sockets, with and without proofs and encryption. */
export async function measureNetwork(): Promise<SuiteResult> {
  const rounds: Record<LinkKind, Figures[]> = { bare: [], plain: [], secret: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of ['bare', 'plain', 'secret'] as const) {
      rounds[kind].push(await measureLink(kind));
    }
  }
  return {
    title: 'The network between nodes',
    rows: [
      ...linkRows('plain', 'frames', rounds),
      ...linkRows('secret', 'frames, TLS 1.3 with a shared secret', rounds),
      await heartbeatRow('plain', 'a heartbeat beside 4 MiB appends'),
      await heartbeatRow('secret', 'a heartbeat beside 4 MiB appends, TLS'),
    ],
  };
}

async function measureLink(kind: LinkKind): Promise<Figures> {
  const sink = await startSink(kind);
  const link = await openLink(kind, sink.port, 'log');
  try {
    await link.stream(SMALL.sizeBytes, SMALL.count / 10);
    await link.stream(LARGE.sizeBytes, LARGE.count / 10);
    const rateOf = async (count: number, run: () => Promise<void>): Promise<Rate> => {
      const before = processorSeconds(sink.pid);
      const seconds = await secondsOf(run);
      const busy = processorSeconds(sink.pid) - before;
      return { perSecond: count / seconds, perProcessorSecond: count / busy };
    };
    return {
      frames: await rateOf(SMALL.count, () => link.stream(SMALL.sizeBytes, SMALL.count)),
      bytes: await rateOf(LARGE.sizeBytes * LARGE.count, () =>
        link.stream(LARGE.sizeBytes, LARGE.count),
      ),
      pings: await rateOf(PINGS, async () => {
        for (let ping = 0; ping < PINGS; ping++) await link.ping();
      }),
    };
  } finally {
    await link.close();
    await sink.stop();
  }
}

/** Of this process and the other one. */
function processorSeconds(pid: number): number {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (user + system) / 1e6 + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function secondsOf(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

function linkRows(
  kind: 'plain' | 'secret',
  what: string,
  rounds: Readonly<Record<LinkKind, readonly Figures[]>>,
): Row[] {
  const row = (
    part: string,
    figure: keyof Figures,
    show: (value: number) => string,
    atLeast: number,
  ): Row => {
    const shown = (of: LinkKind): string => {
      const rates = rounds[of].map((figures) => figures[figure]);
      const [wall, busy] = [
        median(rates.map(({ perSecond }) => perSecond)),
        median(rates.map(({ perProcessorSecond }) => perProcessorSecond)),
      ];
      return `${show(wall)}; ${show(busy)} of processor time`;
    };
    const ratios = rounds[kind].map((figures, round) => {
      const bare = rounds.bare[round]?.[figure].perProcessorSecond ?? Number.NaN;
      return figures[figure].perProcessorSecond / bare;
    });
    return {
      what: `${part}, ${what}`,
      holdfast: shown(kind),
      beside: `bare sockets, the same writes: ${shown('bare')}`,
      ratio: median(ratios),
      reach: { atLeast },
    };
  };
  const perSecond = (value: number): string => `${Math.round(value)}/s`;
  const gigabytes = (value: number): string => `${(value / 1e9).toFixed(2)} GB/s`;
  const isPlain = kind === 'plain';
  return [
    row('128 bytes', 'frames', perSecond, 1),
    row('1 MiB', 'bytes', gigabytes, isPlain ? 0.6 : 0.4),
    row('there and back', 'pings', perSecond, isPlain ? 0.8 : 0.6),
  ];
}

/** How much longer a heartbeat takes while the log lane is kept full, beside one behind the appends. */
async function heartbeatRow(kind: LinkKind, what: string): Promise<Row> {
  const sink = await startSink(kind);
  const log = await openLink(kind, sink.port, 'log');
  const control = await openLink(kind, sink.port, 'control');
  try {
    const apart: number[] = [];
    const behind: number[] = [];
    while (apart.length < LOADED_PINGS) {
      const appends = secondsOf(() => log.stream(APPEND.sizeBytes, APPEND.count));
      apart.push(await secondsOf(() => control.ping()));
      behind.push(await appends);
    }
    const sorted = apart.toSorted((left, right) => left - right);
    const p99 = sorted[Math.floor(LOADED_PINGS * 0.99)] ?? 0;
    const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
    return {
      what,
      holdfast: `${milliseconds(median(apart))} (p99 ${milliseconds(p99)})`,
      beside: `behind 32 MiB of appends, as in one connection: ${milliseconds(median(behind))}`,
      ratio: median(apart) / median(behind),
      reach: { atMost: 0.5 },
    };
  } finally {
    await Promise.all([log.close(), control.close()]);
    await sink.stop();
  }
}
