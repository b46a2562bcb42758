import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { readWholeFile, replaceFile } from '@holdfast/kv';
import { expect, test } from 'vitest';
import type { Member } from '../src/member-file.ts';
import { readClusterId, readMember, writeMember } from '../src/member-file.ts';

const MEMBER: Member = {
  incarnation: '0123456789abcdef',
  clusterId: 'c'.repeat(32),
  filesClusterId: 'd'.repeat(32),
};

type Change = (text: string) => string;

/** What a start makes of a member.json that was changed. */
async function afterChange(change: Change): Promise<Member | undefined> {
  const env = await createMemoryEnv({ seed: 1 });
  await env.files.makeDirectory('/data');
  await writeMember(env, '/data', MEMBER);
  const text = Buffer.from((await readWholeFile(env.files, '/data/member.json')) ?? []).toString();
  const changed = change(text);
  expect(changed === text).toBe(change === unchanged);
  await replaceFile(env.files, '/data', 'member.json', utf8(changed));
  return readMember(env, '/data');
}

const unchanged: Change = (text) => text;

test('a member.json is what was written, and a folder without one is of no cluster', async () => {
  expect(await afterChange(unchanged)).toEqual(MEMBER);
  const env = await createMemoryEnv({ seed: 1 });
  await env.files.makeDirectory('/data');
  expect([await readMember(env, '/data'), await readClusterId(env, '/data')]).toEqual([
    undefined,
    undefined,
  ]);
  await writeMember(env, '/data', MEMBER);
  expect(await readClusterId(env, '/data')).toBe(MEMBER.clusterId);
});

test.each<[string, Change, RegExp]>([
  ['a digit of its incarnation', (text) => text.replace('0123', '0124'), /checksum/],
  ['a digit of its cluster', (text) => text.replace('cc', 'ce'), /checksum/],
  ["a digit of its files' cluster", (text) => text.replace('dd', 'de'), /checksum/],
  ['a digit of its checksum', (text) => text.replace(/("checksum": ".)./, '$1x'), /checksum/],
  ['another format', (text) => text.replace('"format": 1', '"format": 0'), /checksum/],
  ['a letter that is no digit', (text) => text.replace('0123', '012g'), /does not name/],
  ['a digit too few', (text) => text.replace('0123', '012'), /does not name/],
  ['no incarnation', (text) => text.replace('"incarnation"', '"other"'), /does not name/],
  ['nothing', () => 'null', /does not name/],
  ['half of it', (text) => text.slice(0, 40), /not JSON/],
])('one with %s is damaged', async (_, change, message) => {
  await expect(afterChange(change)).rejects.toMatchObject({
    code: 'KV_CORRUPTION',
    message: expect.stringMatching(message),
  });
});

test('one that a newer Holdfast wrote is refused, and is no damage', async () => {
  const change: Change = (text) => text.replace('"format": 1', '"format": 2');
  await expect(afterChange(change)).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
});
