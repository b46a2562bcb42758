import type { LookupAddress } from 'node:dns';
import { expect, test } from 'vitest';
import { ManualClock } from '../src/memory/index.ts';
import { PeerNames } from '../src/node/peer-names.ts';

const FIRST = [{ address: '192.0.2.1', family: 4 }];
const SECOND = [{ address: '192.0.2.2', family: 4 }];

/** A system that answers when it is told to. */
function system(): {
  readonly clock: ManualClock;
  readonly names: PeerNames;
  readonly asked: (PromiseWithResolvers<LookupAddress[]> & { readonly host: string })[];
} {
  const clock = new ManualClock();
  const asked: (PromiseWithResolvers<LookupAddress[]> & { readonly host: string })[] = [];
  const names = new PeerNames(clock, (host) => {
    const question = { host, ...Promise.withResolvers<LookupAddress[]>() };
    asked.push(question);
    return question.promise;
  });
  return { clock, names, asked };
}

test('the system is asked for a name once at a time, whoever dials', async () => {
  const { names, asked } = system();
  const dials = [names.addressesOf('n1'), names.addressesOf('n1'), names.addressesOf('n2')];
  expect(asked.map(({ host }) => host)).toEqual(['n1', 'n2']);
  asked[0]?.resolve(FIRST);
  asked[1]?.resolve(SECOND);
  expect(await Promise.all(dials)).toEqual([FIRST, FIRST, SECOND]);
  const later = names.addressesOf('n1');
  asked[2]?.resolve(SECOND);
  expect(await later).toEqual(SECOND);
});

test('where the system does not answer soon or finds nothing, what it said before is tried', async () => {
  const { clock, names, asked } = system();
  const first = names.addressesOf('n1');
  asked[0]?.resolve(FIRST);
  await first;
  const slow = names.addressesOf('n1');
  clock.advance(500);
  expect(await slow).toEqual(FIRST);
  const still = names.addressesOf('n1');
  clock.advance(500);
  expect(await still).toEqual(FIRST);
  expect(asked).toHaveLength(2);
  const failing = names.addressesOf('n1');
  asked[1]?.reject(new Error('nobody knows'));
  expect(await failing).toEqual(FIRST);
  // It is left alone for as long as that took.
  clock.advance(999);
  expect(await names.addressesOf('n1')).toEqual(FIRST);
  expect(asked).toHaveLength(2);
  clock.advance(1);
  const again = names.addressesOf('n1');
  asked[2]?.resolve(SECOND);
  expect(await again).toEqual(SECOND);
});

test('a name of which nothing was ever known fails as the system does, and is then left alone, ten seconds at most', async () => {
  const { clock, names, asked } = system();
  const first = names.addressesOf('n1');
  clock.advance(20_000);
  asked[0]?.reject(new Error('nobody knows'));
  await expect(first).rejects.toThrow('nobody knows');
  await expect(names.addressesOf('n1')).rejects.toThrow('nobody knows');
  expect(asked).toHaveLength(1);
  clock.advance(10_000);
  const again = names.addressesOf('n1');
  expect(asked).toHaveLength(2);
  asked[1]?.resolve(FIRST);
  expect(await again).toEqual(FIRST);
});
