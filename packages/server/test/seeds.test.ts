import { access, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);
const page = await readFile(new URL('docs/seeds.md', root), 'utf8');
const rows = page.split('\n').filter((line) => /^\| [^-]/.test(line) && !line.includes('| Test '));

test('every file that docs/seeds.md names is there', async () => {
  const paths = [...page.matchAll(/`((?:packages|e2e|docs|bench)\/[^`]+)`/g)].map(
    ([, path = '']) => path,
  );
  expect(paths.length).toBeGreaterThan(100);
  for (const path of new Set(paths)) await access(new URL(path, root));
});

test('every test that docs/seeds.md names is there, and what is done has one', async () => {
  expect(rows.length).toBeGreaterThan(100);
  for (const row of rows) {
    const cells = row.split(' | ').map((cell) => cell.replace(/^\||\|$/g, '').trim());
    const [, path, title] = /^`([^`]+)`: (.+)$/.exec(cells.at(-1) ?? '') ?? [];
    if (path === undefined || title === undefined) {
      expect(cells.at(-1), row).toMatch(/^none yet|: a measurement$/);
      continue;
    }
    const text = await readFile(new URL(path, root), 'utf8');
    expect(text.replaceAll("\\'", "'"), row).toContain(title);
  }
});
