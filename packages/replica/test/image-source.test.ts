/** What becomes of a question to a node that answers wrongly, late or never. */
import { expect, test } from 'vitest';
import { ImageSource } from '../src/transfer/image-client.ts';
import { encodeAnswer } from '../src/transfer/transfer-codec.ts';
import { ANSWER_LIMIT_MS, RawPeer } from './fixtures/raw-peer.ts';

const IMAGE = { type: 'opened', imageId: 9, index: 5, term: 1 } as const;
const NAME = { key: Uint8Array.of(1), version: 1, length: 2000, crc: 0 };
const LIST = { after: undefined, upTo: undefined, since: 0, sectionLimit: 1 };

async function connected(): Promise<{ readonly peer: RawPeer; readonly source: ImageSource }> {
  const peer = await RawPeer.open();
  const { value, error } = await peer.until(ImageSource.connect(peer.target()));
  if (value === undefined) throw error;
  return { peer, source: value };
}

function answerTo(requestId: number): Uint8Array {
  return encodeAnswer(requestId, { type: 'values', values: [undefined] })[0] as Uint8Array;
}

function failure(message: RegExp) {
  return { code: 'REPLICA_TRANSFER_FAILED', message: expect.stringMatching(message) };
}

test('one that never answers is asked thrice, and then no more', async () => {
  const { peer, source } = await connected();
  const { error, tookMs } = await peer.until(source.open(1));
  expect(error).toMatchObject(failure(/a does not answer/));
  expect(tookMs).toBeGreaterThanOrEqual(3 * ANSWER_LIMIT_MS);
  expect(tookMs).toBeLessThan(4 * ANSWER_LIMIT_MS);
  expect(peer.asked).toHaveLength(3);
  const again = await peer.until(source.find([NAME]));
  expect(again.error).toMatchObject(failure(/a does not answer/));
  expect(again.tookMs).toBe(0);
  expect(peer.asked).toHaveLength(3);
  await source.close();
  expect((await peer.until(source.open(1))).error).toMatchObject(failure(/a does not answer/));
  expect(peer.clock.pendingTimers).toBe(1);
  await peer.run(1);
  expect([peer.clock.pendingTimers, peer.ended]).toEqual([0, 1]);
  await peer.close();
});

test('one that ends the connection, or sends what is no answer, has no more questions to answer', async () => {
  for (const [reaction, message] of [
    ['end', /a ended the connection/],
    [Uint8Array.of(9, 9), /a sent bytes that are no answer/],
  ] as const) {
    const { peer, source } = await connected();
    peer.react = () => reaction;
    const asked = [source.open(1), source.find([NAME])];
    const { value: outcomes, tookMs } = await peer.until(Promise.allSettled(asked));
    expect(outcomes).toMatchObject([{ reason: failure(message) }, { reason: failure(message) }]);
    expect(tookMs).toBeLessThan(ANSWER_LIMIT_MS);
    await peer.run(5);
    expect(peer.ended).toBe(1);
    expect(peer.clock.pendingTimers).toBe(0);
    await source.close();
    await peer.close();
  }
});

test('a connection that breaks is lost, and is not what the node has sent', async () => {
  const { peer, source } = await connected();
  const asked = source.open(1);
  await peer.turn();
  peer.network.breakConnections('a');
  expect((await peer.until(asked)).error).toMatchObject(failure(/a is lost/));
  await source.close();
  await peer.close();
});

test('what is asked while the connection is closed from here is answered so at once', async () => {
  const { peer, source } = await connected();
  const asked = source.open(1);
  await peer.run(10);
  await source.close();
  const { error, tookMs } = await peer.until(asked);
  expect(error).toMatchObject(failure(/the connection was closed/));
  expect(tookMs).toBe(0);
  await peer.close();
});

test('an answer that is older, shorter or another one than asked for is refused', async () => {
  const { peer, source } = await connected();
  peer.react = () => IMAGE;
  expect((await peer.until(source.open(6))).error).toMatchObject(failure(/older than asked for/));
  const { value: image } = await peer.until(source.open(5));
  expect((await peer.until(source.find([NAME]))).error).toMatchObject(failure(/another answer/));
  expect((await peer.until(source.list(9, LIST))).error).toMatchObject(failure(/another answer/));
  peer.react = () => ({ type: 'values', values: [undefined] });
  expect((await peer.until(source.open(1))).error).toMatchObject(failure(/another answer/));
  const two = await peer.until(source.find([NAME, NAME]));
  expect(two.error).toMatchObject(failure(/values are missing/));
  expect((await peer.until(source.find([NAME]))).value).toEqual([undefined]);
  const ofImage = await peer.until(image?.values([NAME]) ?? Promise.resolve([]));
  expect(ofImage.error).toMatchObject(failure(/a value is missing/));
  const none = await peer.until(source.askOfMember({ type: 'leave' }));
  expect(none.error).toMatchObject(failure(/another answer/));
  await source.close();
  await peer.close();
});

test('the node is told when its image is needed no more, and is not asked to answer that', async () => {
  const { peer, source } = await connected();
  peer.react = () => IMAGE;
  const { value: image } = await peer.until(source.open(1));
  image?.close();
  await peer.run(5);
  expect(peer.asked).toEqual([
    { type: 'open', leastIndex: 1 },
    { type: 'close', imageId: 9 },
  ]);
  await source.close();
  image?.close();
  await peer.close();
});

test('a question whose answer was lost is asked again, though others are answered all the time', async () => {
  const { peer, source } = await connected();
  let isFirst = true;
  peer.react = ({ type }) => {
    if (type !== 'open') return { type: 'values', values: [undefined] };
    if (!isFirst) return IMAGE;
    isFirst = false;
    return undefined;
  };
  const opened = peer.until(source.open(1));
  const others = (async () => {
    for (let at = 0; at < 40; at++) {
      await peer.clock.sleep(ANSWER_LIMIT_MS / 10);
      await source.find([NAME]);
    }
  })();
  const { value, tookMs } = await opened;
  expect(value).toMatchObject({ index: 5 });
  expect(tookMs).toBeLessThan(2 * ANSWER_LIMIT_MS);
  await peer.until(others);
  await source.close();
  await peer.close();
});

test('a question that stands behind much that is answered slowly is not asked again', async () => {
  const { peer, source } = await connected();
  const waiting: (() => void)[] = [];
  peer.react = (_, requestId) => {
    // One after the other, each well within the limit.
    waiting.push(() => peer.connections[0]?.send(answerTo(requestId)));
    return undefined;
  };
  const asked = Promise.all(Array.from({ length: 10 }, () => source.find([NAME])));
  await peer.run(5);
  for (const answer of waiting) {
    await peer.run(ANSWER_LIMIT_MS - 20);
    answer();
  }
  expect((await peer.until(asked)).value).toHaveLength(10);
  expect(peer.asked).toHaveLength(10);
  await source.close();
  await peer.close();
});

/** One whose questions hardly leave: there is room for a single one. */
async function narrowSource(peer: RawPeer): Promise<ImageSource> {
  const limits = { frameBytes: 4096, sendQueueBytes: 64, receiveBytes: 1 };
  const network = peer.network.node('b', {
    limits: { control: limits, log: limits, bulk: limits },
  });
  const { value: source, error } = await peer.until(ImageSource.connect(peer.target(network)));
  if (source === undefined) throw error;
  return source;
}

test('where the node takes nothing, what does not leave is given up as what is not answered is', async () => {
  const peer = await RawPeer.open();
  const source = await narrowSource(peer);
  peer.network.pause('a');
  const name = { ...NAME, key: new Uint8Array(60).fill(1) };
  const asked = Promise.allSettled([source.find([name]), source.find([name])]);
  const { value: outcomes, tookMs } = await peer.until(asked);
  const reason = failure(/a does not answer/);
  expect(outcomes).toMatchObject([{ reason }, { reason }]);
  expect(tookMs).toBeLessThan(4 * ANSWER_LIMIT_MS);
  await source.close();
  peer.network.resume('a');
  await peer.close();
});

test('what did not leave is asked again as soon as there is room', async () => {
  const peer = await RawPeer.open();
  const source = await narrowSource(peer);
  peer.react = () => ({ type: 'values', values: [undefined] });
  const name = { ...NAME, key: new Uint8Array(60).fill(1) };
  const asked = Promise.all([source.find([name]), source.find([name])]);
  const { value, tookMs } = await peer.until(asked);
  expect(value).toEqual([[undefined], [undefined]]);
  expect(tookMs).toBeLessThan(ANSWER_LIMIT_MS / 2);
  await source.close();
  await peer.close();
});
