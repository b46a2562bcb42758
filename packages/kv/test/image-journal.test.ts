import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { ImageJournal } from '../src/image/image-journal.ts';
import { userKey } from '../src/key-space.ts';

const HEADER = {
  identity: { clusterId: 'c'.repeat(32), nodeId: 'd'.repeat(32) },
  index: 300,
  term: 4,
  firstFileId: 9,
};

async function save(journal: ImageJournal, key: string): Promise<void> {
  const record = { kind: 'inline', version: 7, value: utf8('hi') } as const;
  journal.add({ key: userKey(utf8(key)), record });
  await journal.save();
}

test('what is behind the last whole record is cut off: it never follows what is written there now', async () => {
  const env = await createMemoryEnv();
  await env.files.makeDirectory('/incoming');
  const journal = await ImageJournal.create(env, '/incoming', HEADER);
  const { path, summary } = journal;
  for (const key of ['a', 'b']) await save(journal, key);
  await journal.close();
  env.files.corrupt(path, { offset: summary.validBytes + 10 });
  const again = await ImageJournal.open(env, path);
  if (again === undefined) throw new Error('no header');
  expect(again.summary.count).toBe(0);
  await save(again, 'a');
  await again.close();
  const last = await ImageJournal.open(env, path);
  expect(last?.summary).toMatchObject({ count: 1, last: userKey(utf8('a')) });
  await last?.close();
});
