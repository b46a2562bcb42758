/**
 * Searches the larger scopes, and says for each how many states it has. The exit code is 1 if a rule is broken.
 *
 *     node scripts/run.mjs packages/raft/test/prove-scope.ts [most states of the last one, default 2000000]
 */
import { type Scope, Search } from './scope/search.ts';

const limit = Number(process.argv[2] ?? 2_000_000);
const everybody = [0, 1, 2];

const scopes: readonly (readonly [string, Scope])[] = [
  ['one term: an election, a proposal, a crash', { candidates: [[0]], proposals: 1, crashes: 1 }],
  [
    'two terms: a node crashes and is elected again',
    { candidates: [[0], [0]], proposals: 0, crashes: 1 },
  ],
  [
    'two terms: a leader, a proposal, a crash, another leader',
    { candidates: [[0], [1]], proposals: 1, crashes: 1, startsElected: true },
  ],
  ['two terms: an election, and another one', { candidates: [[0], [1]], proposals: 0, crashes: 0 }],
  [
    'two terms, any candidate, two proposals, a crash',
    { candidates: [everybody, everybody], proposals: 2, crashes: 1 },
  ],
];

let total = 0;
for (const [name, scope] of scopes) {
  const isLast = scope === scopes.at(-1)?.[1];
  const { states, depth, isComplete, violation } = new Search(scope).run(isLast ? limit : 1e9);
  total += states;
  const seen = isComplete ? 'every state' : `every state up to ${depth - 1} events`;
  process.stdout.write(`${name}: ${states} states, ${depth} events deep, ${seen}\n`);
  if (violation === undefined) continue;
  process.stdout.write(`BROKEN ${violation.rule}\n${violation.story.join('\n')}\n`);
  process.exitCode = 1;
}
process.stdout.write(`${total} states in all\n`);
