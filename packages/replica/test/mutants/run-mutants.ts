/**
 * Breaks the source in one place after the other, in memory only, and says what found it out.
 *
 *     node scripts/run.mjs packages/replica/test/mutants/run-mutants.ts [part of a name]
 *
 * Every mutant is a graph of modules of its own: a loader hook hands its query on to whatever it imports, and changes
 * the one file. Prints a line of JSON for each; the exit code is 1 if one lives.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { complaintOf, runFaults } from '../fixtures/fault-run.ts';
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

async function killerOf(number: number, { seeds }: Mutant): Promise<string | undefined> {
  if (typeof seeds === 'string') {
    const { stories } = (await load('test/fixtures/stories.ts', number)) as {
      stories: Record<string, () => Promise<void>>;
    };
    return await stories[seeds]?.().then(
      () => undefined,
      (error: unknown) => `${String(error)} (${seeds})`,
    );
  }
  const module = (await load('test/fixtures/fault-run.ts', number)) as {
    runFaults: typeof runFaults;
    complaintOf: typeof complaintOf;
  };
  for (const seed of seeds) {
    try {
      const complaint = module.complaintOf(await module.runFaults({ seed }));
      if (complaint !== undefined) return `${complaint} (seed ${seed})`;
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
