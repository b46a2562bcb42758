import { logIndex, term } from '@holdfast/bytes';
import { expect, it } from 'vitest';
import type { Wal } from '../src/index.ts';
import { memoryEnv, open } from './fixtures/logs.ts';

it('finds every record of a batch of many sizes and terms', async () => {
  const env = await memoryEnv();
  const wal = await open(env);
  const requests = [
    [1, 10, 0],
    [1, 10, 0],
    [1, 10, 20],
    [1, 10, 28],
    [2, 10, 28],
    [2, 18, 20],
    [2, 18, 20],
    [3, 18, 20],
    [3, 26, 20],
    [3, 26, 20],
  ].map(([at, head, body], position) => ({
    term: term(at as number),
    kind: 1,
    head: new Uint8Array(head as number).fill(position),
    body: [new Uint8Array(body as number).fill(100 + position)],
  }));
  const all = async (log: Wal): Promise<unknown> =>
    (await log.readRange(logIndex(1), logIndex(requests.length + 1), 2 ** 20)).map((record) => ({
      term: record.term,
      head: record.head,
      body: record.body,
      ofIndex: log.termAt(record.index),
    }));
  for (const request of requests) wal.append(request);
  await wal.whenDurable(wal.lastIndex);
  expect(wal.stats().batches).toBe(1);
  const before = await all(wal);
  const payloadBytes = wal.segments()[0]?.payloadBytes;
  await wal.close();
  const again = await open(env);
  expect(await all(again)).toEqual(before);
  expect(again.segments()).toMatchObject([{ lastIndex: requests.length, payloadBytes }]);
  await again.close();
});
