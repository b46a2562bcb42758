import { expect, test } from 'vitest';
import { Slots } from '../src/slots.ts';
import { getBytes, openFixture, pattern, putBytes } from './fixture.ts';

test('so many have a slot at once, and the next gets it in order of call', async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const work = async (number: number): Promise<void> => {
    await slots.take();
    order.push(number);
  };
  const all = [1, 2, 3, 4].map(work);
  await Promise.all(all.slice(0, 2));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  expect(order).toEqual([1, 2]);
  slots.give();
  await all[2];
  expect(order).toEqual([1, 2, 3]);
  slots.give();
  await all[3];
  slots.give();
  slots.give();
  await Promise.all([work(5), work(6)]);
  expect(order).toEqual([1, 2, 3, 4, 5, 6]);
});

test.each([
  ['small', 100],
  ['of one chunk', 900],
  ['of several', 4500],
])(
  'a body that is %s gives back its places among the chunks, whether it is stored or not',
  async (_, size) => {
    const limits = { chunksCommitting: 1, chunkSizeBytes: 1000, inlineSizeBytes: 500 };
    const { store } = await openFixture(limits);
    for (let round = 0; round < 3; round++) {
      const bytes = pattern(size, round);
      await putBytes(store, 'k', bytes);
      expect(await getBytes(store, 'k')).toEqual(bytes);
      const conditions = { ifNoneMatch: '*' } as const;
      await expect(putBytes(store, 'k', bytes, { conditions })).rejects.toMatchObject({
        code: 'PreconditionFailed',
      });
      await Promise.all(['a', 'b', 'c'].map((key) => putBytes(store, key, bytes)));
    }
  },
);
