/** Parts of `docs/testing.md` that commands write. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './command.ts';

/** The date, and the commit that is checked out. */
export function dateAndCommit(): string {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', changed';
  const date = new Date(Date.now()).toISOString().slice(0, 10);
  return `${date}, commit ${git('rev-parse', '--short', 'HEAD')}${changed}`;
}

/** Replaces what stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->`. */
export async function writeTestingPage(name: string, text: string): Promise<void> {
  const path = join(ROOT, 'docs', 'testing.md');
  const page = await readFile(path, 'utf8');
  const pattern = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)[^]*?(<!-- end of ${name} -->)`);
  if (!pattern.test(page)) throw new Error(`docs/testing.md has no place for ${name}`);
  await writeFile(
    path,
    page.replace(pattern, (_, from: string, to: string) => `${from}\n${text}\n\n${to}`),
  );
}
