/**
 * The load generator: a process of its own, so that it competes with the server for the cores and
 * not for its event loop. It reads one `LoadPlan` from its parent, runs it, answers with `LoadResult`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { answerPlan, type LoadResult, loadResult } from './load-process.ts';
import { RawConnection } from './raw-client.ts';
import { signedHead } from './sign-request.ts';

export interface LoadPlan {
  readonly port: number;
  /** Of further nodes: connections go to them in turn. */
  readonly morePorts?: readonly number[];
  readonly method: 'GET' | 'PUT';
  readonly bucket: string;
  readonly keyPrefix: string;
  /** Requests are signed beforehand, this many, and sent round and round. */
  readonly distinctKeys: number;
  readonly bodySizeBytes: number;
  readonly connections: number;
  /** Measured requests, after `warmUp` unmeasured ones. */
  readonly requests: number;
  readonly warmUp: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly unsignedPayload: boolean;
  /** Sends a CRC-32 in a header with every put. */
  readonly crc32: boolean;
  /** What a connection reads at once, in bytes. Default: as much as Node does by itself. */
  readonly readSizeBytes?: number | undefined;
}

/** As clients do by default. Source: AWS SDKs and Tools Reference Guide, "Retry behavior". */
const BACKOFF_LEAST_MS = 50;
const BACKOFF_MOST_MS = 20_000;
const ATTEMPTS = 10;

/**
 * Signs, connects, warms up, measures. A request that is answered with 503 is sent again after a pause; any other answer but
 * 200, or ten of 503, ends the run.
 */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const requests = signAll(plan);
  const ports = [plan.port, ...(plan.morePorts ?? [])];
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, (_, at) =>
      RawConnection.open(ports[at % ports.length] as number, plan.readSizeBytes),
    ),
  );
  try {
    await drive(connections, requests, plan.warmUp);
    return await drive(connections, requests, plan.requests);
  } finally {
    for (const connection of connections) connection.close();
  }
}

function signAll(plan: LoadPlan): Uint8Array[][] {
  const body = new Uint8Array(plan.method === 'PUT' ? plan.bodySizeBytes : 0);
  for (let at = 0; at < body.length; at++) body[at] = (at * 31 + (at >> 8)) & 0xff;
  return Array.from({ length: plan.distinctKeys }, (_, number) => {
    // A single large body is sent as it is: copies of it would only fill the memory.
    const own = plan.distinctKeys === 1 ? body : body.slice();
    if (own.length >= 4) new DataView(own.buffer).setUint32(0, number);
    const head = signedHead(
      {
        method: plan.method,
        path: `/${plan.bucket}/${plan.keyPrefix}${number}`,
        host: `127.0.0.1:${plan.port}`,
        body: own,
        unsignedPayload: plan.unsignedPayload,
        crc32: plan.crc32 && plan.method === 'PUT',
      },
      { ...plan, nowMs: Date.now() },
    );
    return own.length === 0
      ? [head]
      : own.length <= 65536
        ? [Buffer.concat([head, own])]
        : [head, own];
  });
}

async function drive(
  connections: readonly RawConnection[],
  requests: readonly Uint8Array[][],
  count: number,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let receivedBytes = 0;
  let refusals = 0;
  let next = 0;
  const start = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (next < count) {
        const request = requests[next++ % requests.length] as Uint8Array[];
        const sent = performance.now();
        let answer = await connection.exchange(request);
        for (let tries = 1; answer.status === 503 && tries < ATTEMPTS; tries++) {
          refusals++;
          // Why by chance: whoever was refused together must not come back together.
          await pause(Math.random() * Math.min(BACKOFF_LEAST_MS * 2 ** tries, BACKOFF_MOST_MS));
          answer = await connection.exchange(request);
        }
        if (answer.status !== 200) throw new Error(`the server answered ${answer.status}`);
        latenciesMs.push(performance.now() - sent);
        receivedBytes += answer.bodyBytes;
      }
    }),
  );
  return loadResult({ latenciesMs, receivedBytes, refusals, startMs: start });
}

answerPlan(runLoad);
