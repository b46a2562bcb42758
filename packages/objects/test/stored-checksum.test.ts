import { expect, test } from 'vitest';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import { openFixture, pattern, putBytes, refusalCode } from './fixture.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500 };

test('a checksum that was not asked for cannot be stored', async () => {
  const { store, kv, tasks } = await openFixture(LIMITS);
  for (const length of [400, 5000]) {
    const put = putBytes(store, 'k', pattern(length), {
      verification: { digests: ['sha256'], accept: () => 'crc32' },
    });
    expect(await refusalCode(put)).toBe('InvalidArgument');
  }
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.object)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
});
