import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { retell } from './fixtures/scenario.ts';

const folder = join(import.meta.dirname, 'scenarios');
const stories = readdirSync(folder).filter((name) => name.endsWith('.txt'));

describe('a story goes as it is written', () => {
  it.each(stories)('%s', async (name) => {
    const path = join(folder, name);
    await expect(retell(readFileSync(path, 'utf8'))).toMatchFileSnapshot(path);
  });

  it('there are at least 28 of them', () => expect(stories.length).toBeGreaterThanOrEqual(28));
});
