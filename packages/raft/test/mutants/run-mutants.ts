/**
 * Breaks the source in one place after the other, in memory only, and says what found it out.
 *
 *     node scripts/run.mjs packages/raft/test/mutants/run-mutants.ts [part of a name]
 *
 * Every mutant is a graph of modules of its own: a loader hook hands its query on to whatever it imports, and changes
 * the one file. Prints a line of JSON for each; the exit code is 1 if one lives.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Chaos } from '../chaos/chaos.ts';
import type { retell } from '../fixtures/scenario.ts';
import type { Search } from '../scope/search.ts';
import { type Mutant, mutants } from './mutants.ts';

const home = new URL('../../', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const query = /\?mutant=\d+/.exec(context.parentURL ?? '')?.[0];
    if (query === undefined || !resolved.url.startsWith(home)) return resolved;
    return { ...resolved, url: resolved.url.replace(/\?.*$/, '') + query };
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const number = /\?mutant=(\d+)/.exec(url)?.[1];
    const mutant = number === undefined ? undefined : mutants[Number(number)];
    if (mutant === undefined || !url.startsWith(`${home}src/${mutant.file}?`)) return loaded;
    return { ...loaded, source: broken(mutant, textOf(loaded.source)) };
  },
});

const wanted = process.argv[2] ?? '';
for (const [number, mutant] of mutants.entries()) {
  if (!mutant.name.includes(wanted)) continue;
  const killer = await killerOf(number, mutant);
  process.stdout.write(`${JSON.stringify({ name: mutant.name, killer: killer ?? null })}\n`);
  if (killer === undefined) process.exitCode = 1;
}

async function killerOf(number: number, { killedBy }: Mutant): Promise<string | undefined> {
  if ('scope' in killedBy) {
    const module = (await load('test/scope/search.ts', number)) as { Search: typeof Search };
    const { violation, states } = new module.Search(killedBy.scope).run(killedBy.limit);
    return violation && `${violation.rule} (state ${states})`;
  }
  if ('story' in killedBy) {
    const module = (await load('test/fixtures/scenario.ts', number)) as { retell: typeof retell };
    const story = readFileSync(new URL(`test/scenarios/${killedBy.story}.txt`, home), 'utf8');
    return module.retell(story) === story
      ? undefined
      : `the story ${killedBy.story} goes otherwise`;
  }
  const module = (await load('test/chaos/chaos.ts', number)) as { Chaos: typeof Chaos };
  for (let seed = 1; seed <= killedBy.chaosSeeds; seed++) {
    try {
      new module.Chaos(seed, 3, 2).run(2500);
    } catch (error) {
      return `${String(error)} (seed ${seed})`;
    }
  }
  return undefined;
}

function textOf(source: unknown): string {
  if (source instanceof Uint8Array) return new TextDecoder().decode(source);
  return typeof source === 'string' ? source : '';
}

function load(path: string, number: number): Promise<unknown> {
  return import(`${home}${path}?mutant=${number}`);
}

function broken({ name, file, from, to }: Mutant, source: string): string {
  const count = source.split(from).length - 1;
  if (count === 1) return source.replace(from, () => to);
  throw new Error(
    `${name}: what it breaks stands ${count} times in ${fileURLToPath(home)}src/${file}`,
  );
}
