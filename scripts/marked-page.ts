/** Pages of `docs` of which a command writes a part. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Replaces what stands in a page of `docs` between two lines. */
export function writeBetween(page: string, beginning: string, ending: string, text: string): void {
  const path = join(root, 'docs', page);
  const before = readFileSync(path, 'utf8');
  const from = before.indexOf(beginning) + beginning.length;
  const to = before.indexOf(ending);
  if (from < beginning.length || to < from) throw new Error(`docs/${page} has no place for it`);
  writeFileSync(path, `${before.slice(0, from)}\n\n${text}\n\n${before.slice(to)}`);
}

/** The commit that is checked out, in short, and whether anything was changed since. */
export function commitName(): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', changed';
    return git('rev-parse', '--short', 'HEAD') + changed;
  } catch {
    return 'unknown';
  }
}
