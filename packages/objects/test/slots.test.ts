import { expect, test } from 'vitest';
import { Slots } from '../src/slots.ts';

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
