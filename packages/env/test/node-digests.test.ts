import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { DigestError } from '../src/index.ts';
import { DigestLane } from '../src/node/digest-lane.ts';
import {
  loadCrc32c,
  loadXxHashes,
  NodeDigests,
  type NodeDigestsOptions,
} from '../src/node/index.ts';

const LARGE_BYTES = 1_000_000;
const opened: NodeDigests[] = [];

async function make(options: NodeDigestsOptions = {}): Promise<NodeDigests> {
  const digests = new NodeDigests(await loadCrc32c(), await loadXxHashes(), options);
  opened.push(digests);
  return digests;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((digests) => digests.close()));
});

describe('workers', () => {
  test('a small body starts none', async () => {
    const digests = await make();
    const stream = digests.stream(['md5']);
    for (let piece = 0; piece < 4; piece++) await stream.update(new Uint8Array(65_536));
    await stream.finish();
    expect(digests.runningWorkers).toBe(0);
  });

  test('two streams at once get one each, and one after the other share one', async () => {
    const digests = await make({ workerCount: 2 });
    const hashOne = async (): Promise<void> => {
      const stream = digests.stream(['md5']);
      await stream.update(digests.allocate(LARGE_BYTES));
      await stream.finish();
    };
    await hashOne();
    await hashOne();
    expect(digests.runningWorkers).toBe(1);
    await Promise.all([hashOne(), hashOne(), hashOne()]);
    expect(digests.runningWorkers).toBe(2);
  });

  test('an aborted stream gives its worker back', async () => {
    const digests = await make({ workerCount: 2 });
    for (let round = 0; round < 3; round++) {
      const stream = digests.stream(['md5']);
      await stream.update(digests.allocate(LARGE_BYTES));
      stream.abort();
    }
    expect(digests.runningWorkers).toBe(1);
  });

  test('close ends them', async () => {
    const digests = await make();
    const stream = digests.stream(['md5']);
    const waiting = Array.from({ length: 20 }, () => stream.update(digests.allocate(LARGE_BYTES)));
    const outcomes = Promise.allSettled(waiting);
    await digests.close();
    expect(digests.runningWorkers).toBe(0);
    const last = (await outcomes).at(-1);
    expect(last).toMatchObject({ status: 'rejected', reason: { code: 'DIGESTS_CLOSED' } });
  });

  test('when one dies its streams reject, and the next stream gets a new one', async () => {
    const digests = await make({ workerCount: 1 });
    const lane = digests.takeLane();
    const stream = digests.stream(['md5']);
    await stream.update(digests.allocate(LARGE_BYTES));
    // An algorithm that there is not ends the worker as any error in it would.
    lane.tell({ kind: 'start', stream: -1, algorithms: ['md4711' as 'md5'] });
    await expect(stream.finish()).rejects.toMatchObject({
      code: 'DIGEST_WORKER_FAILED',
      retryable: true,
    });
    const next = digests.stream(['crc32']);
    await next.update(digests.allocate(LARGE_BYTES));
    expect((await next.finish()).get('crc32')?.length).toBe(4);
  });
});

test('a shared buffer is not copied: the worker sees what is in it when its turn comes', async () => {
  const lane = new DigestLane({ crc32c: 'portable' }, () => {});
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  lane.tell({ kind: 'start', stream: 1, algorithms: ['crc32'] });
  const updated = lane.ask({ kind: 'update', stream: 1, bytes: shared });
  // The worker has not started yet, so that it can only see this if the memory is the same.
  shared.set(new TextEncoder().encode('holdfast'));
  await updated;
  const { results } = await lane.ask({ kind: 'finish', stream: 1 });
  const digests = await make();
  expect(results?.get('crc32')).toEqual(digests.compute(['crc32'], shared).get('crc32'));
  await lane.close(new DigestError('DIGESTS_CLOSED', 'done'));
});

test('bytes on their way to a worker stay below the limit', async () => {
  const digests = await make({ threadLimitBytes: 0, inFlightLimitBytes: 3 * LARGE_BYTES });
  let sentBytes = 0;
  let mostBytes = 0;
  const lane = digests.takeLane();
  const ask = lane.ask.bind(lane);
  lane.ask = async (request, transfer) => {
    const sizeBytes = request.kind === 'update' ? request.bytes.length : 0;
    sentBytes += sizeBytes;
    mostBytes = Math.max(mostBytes, sentBytes);
    const answer = await ask(request, transfer);
    sentBytes -= sizeBytes;
    return answer;
  };
  digests.releaseLane(lane);
  const stream = digests.stream(['crc32']);
  const updates = Array.from({ length: 30 }, () => stream.update(new Uint8Array(LARGE_BYTES)));
  await Promise.all(updates);
  await stream.finish();
  expect(mostBytes).toBe(3 * LARGE_BYTES);
});

test('timers and idle workers do not keep a process alive', () => {
  const script = fileURLToPath(new URL('./fixtures/idle-env.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'done\n', stderr: '' });
});
