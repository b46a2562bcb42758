import { setTimeout as pause } from 'node:timers/promises';
import { failoverPlot } from '../failover-plot.ts';
import { RawConnection } from '../load/raw-client.ts';
import { signedHead } from '../load/sign-request.ts';
import type { HoldfastCluster, Keys } from '../peers/holdfast-cluster.ts';
import { median, type Row } from '../report.ts';
import { inRounds } from './rounds.ts';

const LIMIT_SECONDS = 2;
const VALUE_BYTES = 4096;
/** A write that no node takes within this has failed, and so has its round. */
const GIVE_UP_MS = 30_000;
/** A node that was killed serves again within this, or the round after it has failed. */
const RESTART_MS = 60_000;
const RETRY_MS = 20;
/** The name of the plot beside the page. */
export const FAILOVER_PICTURE = 'RESULTS-cluster-failover.svg';

export interface FailoverOptions {
  readonly cluster: HoldfastCluster;
  readonly keys: Keys;
  readonly region: string;
  readonly bucket: string;
  readonly kills: number;
}

interface Failover {
  readonly seconds: number;
  /** Answers of 503 before the write was taken. */
  readonly refusals: number;
}

/**
 * From `kill -9` of the leader to the first new write that another node acknowledges, so often. All three nodes serve before
 * each kill. A round that fails is counted and told, and the others go on.
 */
export async function measureFailover(
  options: FailoverOptions,
): Promise<{ readonly row: Row; readonly svg: string }> {
  const { cluster, kills } = options;
  const found: Failover[] = [];
  let killed: number | undefined;
  const failures = await inRounds('kill', kills, async (round) => {
    if (killed !== undefined) await cluster.restart(killed);
    killed = undefined;
    await allServe(cluster);
    const leader = await cluster.leader();
    killed = leader;
    found.push(await oneKill(options, leader, round));
  });
  const seconds = found.map((one) => one.seconds).sort((left, right) => left - right);
  const refusals = found.reduce((sum, one) => sum + one.refusals, 0);
  return {
    row: rowOf(seconds, refusals, kills, failures),
    svg: failoverPlot(seconds, LIMIT_SECONDS, failures.length),
  };
}

function rowOf(
  seconds: readonly number[],
  refusals: number,
  kills: number,
  failures: readonly string[],
): Row {
  const p99 = seconds[Math.ceil(seconds.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY;
  const failed = failures.length === 0 ? '' : `, ${failures.length} failed`;
  return {
    what: `first new write after the leader is killed, p99 of ${kills}`,
    holdfast:
      seconds.length === 0
        ? 'no round ended'
        : `${p99.toFixed(2)} s (median ${median(seconds).toFixed(2)} s, ${refusals} answers of 503${failed})`,
    beside: `the limit: ${LIMIT_SECONDS} s`,
    // Safety: a write that was never taken is slower than any limit.
    ratio: failures.length === 0 ? p99 / LIMIT_SECONDS : Number.POSITIVE_INFINITY,
    reach: { atMost: 1 },
    note: [`\n\n![${seconds.length} kills](${FAILOVER_PICTURE})`, ...failures].join('\n\n'),
  };
}

async function oneKill(options: FailoverOptions, leader: number, round: number): Promise<Failover> {
  const { cluster } = options;
  const port = cluster.ports[(leader + 1) % cluster.ports.length] as number;
  const startMs = performance.now();
  cluster.kill(leader);
  const refusals = await putUntilTaken(options, port, `failover-${round}`);
  return { seconds: (performance.now() - startMs) / 1000, refusals };
}

/** How often the write was refused before it was taken. */
async function putUntilTaken(
  { keys, region, bucket }: FailoverOptions,
  port: number,
  key: string,
): Promise<number> {
  const untilMs = performance.now() + GIVE_UP_MS;
  const body = Buffer.alloc(VALUE_BYTES, 1);
  const path = `/${bucket}/${key}`;
  const host = `127.0.0.1:${port}`;
  const connection = await RawConnection.open(port);
  try {
    for (let refusals = 0; performance.now() < untilMs; refusals++) {
      const signing = { ...keys, region, nowMs: Date.now() };
      const head = signedHead({ method: 'PUT', path, host, body }, signing);
      const { status } = await connection.exchange([head, body]);
      if (status === 200) return refusals;
      if (status !== 503) throw new Error(`the put was answered with ${status}`);
      await pause(RETRY_MS);
    }
    throw new Error(`the put was not taken in ${GIVE_UP_MS / 1000} s`);
  } finally {
    connection.close();
  }
}

async function allServe({ ports }: HoldfastCluster): Promise<void> {
  const untilMs = performance.now() + RESTART_MS;
  const serves = (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/_/health/ready`, { signal: AbortSignal.timeout(1000) }).then(
      async (response) => {
        await response.text();
        return response.ok;
      },
      () => false,
    );
  while (!(await Promise.all(ports.map(serves))).every((isServing) => isServing)) {
    if (performance.now() > untilMs) {
      throw new Error(`not all nodes serve after ${RESTART_MS / 1000} s`);
    }
    await pause(RETRY_MS);
  }
}
