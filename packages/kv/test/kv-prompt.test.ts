import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { KvPrompt, LocalStore } from '../src/index.ts';
import { createKvPrompt, openLocalStore } from '../src/index.ts';

interface Session {
  readonly store: LocalStore;
  readonly prompt: KvPrompt;
  /** Runs lines and gives what they print. */
  say(...lines: string[]): Promise<string[]>;
}

async function withPrompt(body: (session: Session) => Promise<void>): Promise<void> {
  const env = await createMemoryEnv();
  const store = await openLocalStore({
    env,
    directory: '/data',
    settings: { reserveSizeBytes: 0 },
  });
  let printed: string[] = [];
  const write = (text: string) => printed.push(text);
  const prompt = createKvPrompt({ store, write, clock: env.clock });
  const say = async (...lines: string[]) => {
    printed = [];
    for (const line of lines) await prompt.handle(line);
    return printed.join('').split('\n').slice(0, -1);
  };
  try {
    await body({ store, prompt, say });
  } finally {
    await store.close();
  }
}

describe('the prompt', () => {
  test('sets, prints, deletes and counts keys', () =>
    withPrompt(async ({ say }) => {
      expect(await say('PUT a hello world', 'put b  two ', 'GET a', 'get b')).toEqual([
        'OK',
        'OK',
        'hello world',
        ' two ',
      ]);
      expect(await say('SIZE', 'DEL a', 'GET a', 'SIZE')).toEqual(['2', 'OK', '(none)', '1']);
    }));

  test('scans by prefix up to a limit', () =>
    withPrompt(async ({ say }) => {
      await say('PUT a/1 x', 'PUT a/2 y', 'PUT b z');
      expect(await say('SCAN')).toEqual(['a/1 x', 'a/2 y', 'b z', '(3)']);
      expect(await say('SCAN a/')).toEqual(['a/1 x', 'a/2 y', '(2)']);
      expect(await say('SCAN a/ 1')).toEqual(['a/1 x', '(1, and there are more)']);
    }));

  test('prints bytes that are no text in hexadecimal', () =>
    withPrompt(async ({ store, say }) => {
      const operations = [
        { kind: 'put', key: utf8('raw'), value: Uint8Array.of(0xff, 0) },
        { kind: 'put', key: utf8('escape'), value: utf8('\u001b[31m') },
      ] as const;
      await store.transact({ operations });
      expect(await say('GET raw', 'GET escape')).toEqual(['0xff00', '0x1b5b33316d']);
    }));

  test('SETBATCH gathers changes into one write, and says OK only after it', () =>
    withPrompt(async ({ store, say }) => {
      expect(await say('SETBATCH 3', 'PUT a 1', 'PUT b 2')).toEqual(['OK, 3 to a write']);
      expect(store.status().wal.batches).toBe(0);
      expect(await say('DEL a')).toEqual(['OK', 'OK', 'OK']);
      expect(store.status().wal.batches).toBe(1);
      expect(await say('SCAN')).toEqual(['b 2', '(1)']);
    }));

  test('what is gathered is committed before anything reads, and at the end', () =>
    withPrompt(async ({ store, prompt, say }) => {
      expect(await say('SETBATCH 10', 'PUT a 1', 'GET a')).toEqual([
        'OK, 10 to a write',
        'OK',
        '1',
      ]);
      await say('PUT b 2');
      await prompt.finish();
      expect(await store.get(utf8('b'))).toBeDefined();
    }));

  test('SNAP writes the index and FLUSH waits for the disk', () =>
    withPrompt(async ({ store, say }) => {
      expect(await say('PUT a 1', 'FLUSH', 'SNAP')).toEqual([
        'OK',
        'OK',
        expect.stringMatching(/^OK, record 1 in 1 tables of \d+ bytes$/),
      ]);
      expect(store.status().flushedIndex).toBe(1);
    }));

  test('BENCH puts as many keys as it says', () =>
    withPrompt(async ({ say }) => {
      expect(await say('BENCH 300', 'SIZE')).toEqual([
        expect.stringMatching(/^300 puts in .* durable puts\/s$/),
        '300',
      ]);
    }));

  test('says what is possible where a line means nothing', () =>
    withPrompt(async ({ say }) => {
      expect((await say('FETCH a')).join('\n')).toMatch(
        /no command FETCH[\s\S]*GET key[\s\S]*EXIT/,
      );
      expect(await say('PUT a')).toEqual(['usage: PUT key value']);
      expect(await say('GET', 'GET a b', 'DEL')).toEqual([
        'usage: GET key',
        'usage: GET key',
        'usage: DEL key',
      ]);
      expect(await say('BENCH 0', 'SETBATCH x', 'SCAN a b c')).toEqual([
        'usage: BENCH n, from 1 to 10000000',
        'usage: SETBATCH n, from 1 to 10000',
        'usage: SCAN [prefix] [limit]',
      ]);
      expect(await say('', '   ')).toEqual([]);
      expect((await say(`PUT ${'k'.repeat(5000)} v`))[0]).toMatch(/^error KV_KEY_TOO_LARGE: /);
    }));

  test('EXIT ends it, and no other line does', () =>
    withPrompt(async ({ prompt }) => {
      expect(await prompt.handle('HELP')).toBe(true);
      expect(await prompt.handle('exit')).toBe(false);
    }));
});
