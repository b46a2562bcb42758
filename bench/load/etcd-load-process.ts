/**
 * The load generator for etcd: gRPC over HTTP/2 with messages encoded by hand, so that it costs little of the shared
 * cores. A process of its own; reads one `EtcdPlan` from its parent, answers with `LoadResult`.
 *
 * Source: etcd 3.4 API, rpc.proto: PutRequest { bytes key = 1; bytes value = 2; }, RangeRequest { bytes key = 1; },
 * linearizable unless `serializable` is said.
 */
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:http2';
import { answerPlan, type LoadResult, loadResult } from './load-process.ts';

export interface EtcdPlan {
  readonly ports: readonly number[];
  readonly method: 'Put' | 'Range';
  readonly distinctKeys: number;
  readonly valueSizeBytes: number;
  readonly clients: number;
  readonly requests: number;
  readonly warmUp: number;
}

const HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };

async function runLoad(plan: EtcdPlan): Promise<LoadResult> {
  // One connection a client, as S3 clients have.
  const sessions = Array.from({ length: plan.clients }, (_, at) =>
    connect(`http://127.0.0.1:${plan.ports[at % plan.ports.length]}`),
  );
  const messages = Array.from({ length: plan.distinctKeys }, (_, number) => {
    const key = Buffer.from(`object-${number}`);
    const value = Buffer.alloc(plan.valueSizeBytes, number);
    return frame(plan.method === 'Put' ? [field(1, key), field(2, value)] : [field(1, key)]);
  });
  try {
    await drive(plan, sessions, messages, plan.warmUp);
    return await drive(plan, sessions, messages, plan.requests);
  } finally {
    for (const session of sessions) session.destroy();
  }
}

async function drive(
  plan: EtcdPlan,
  sessions: readonly ClientHttp2Session[],
  messages: readonly Buffer[],
  count: number,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let receivedBytes = 0;
  let next = 0;
  const start = performance.now();
  await Promise.all(
    sessions.map(async (session) => {
      while (next < count) {
        const message = messages[next++ % messages.length] as Buffer;
        const sent = performance.now();
        receivedBytes += await call(session, plan.method, message);
        latenciesMs.push(performance.now() - sent);
      }
    }),
  );
  return loadResult({ latenciesMs, receivedBytes, refusals: 0, startMs: start });
}

function call(session: ClientHttp2Session, method: string, message: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ...HEADERS, ':path': `/etcdserverpb.KV/${method}` });
    let bytes = 0;
    let status = '';
    stream.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status']);
    });
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === '0') resolve(bytes);
      else reject(new Error(`etcd answered ${method} with status ${status}`));
    });
    stream.end(message);
  });
}

/** A message of gRPC: not compressed, four bytes of length, the fields. */
function frame(fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** A field of bytes in protobuf. */
function field(number: number, bytes: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

answerPlan(runLoad);
