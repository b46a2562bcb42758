/** Single runs of the core, for `npm run mutants`: each returns what is wrong with it, or undefined where nothing is. */
import { readFileSync } from 'node:fs';
import { Chaos } from './chaos/chaos.ts';
import { CHURN, STORM, UPHEAVAL } from './chaos/climate.ts';
import { retell } from './fixtures/scenario.ts';
import { seededRandom } from './fixtures/test-node.ts';
import { type Scope, Search } from './scope/search.ts';

const scopes: Readonly<Record<string, Scope>> = {
  'an election': { candidates: [[0, 1]], proposals: 1, crashes: 1 },
  'another leader': { candidates: [[0], [1]], proposals: 1, crashes: 1, startsElected: true },
};

export const trials: Readonly<Record<string, (...words: string[]) => string | undefined>> = {
  /** A small scope, as many states of it as told. */
  scope: (name = '', limit = '') => {
    const scope = scopes[name];
    if (scope === undefined) throw new Error(`there is no scope ${name}`);
    const { violation, states } = new Search(scope).run(Number(limit));
    return violation && `${violation.rule} (state ${states})`;
  },
  /** A story that goes otherwise than it is written down. */
  story: (name = '') => {
    const story = readFileSync(`${import.meta.dirname}/scenarios/${name}.txt`, 'utf8');
    return retell(story) === story ? undefined : `the story ${name} goes otherwise`;
  },
};

export const seededTrials: Readonly<Record<string, (seed: number) => string | undefined>> = {
  /** A cluster to which anything happens. */
  chaos: (seed) => complaintAtRest(new Chaos(seed, 3, 2).run(2500)),
  /** Three nodes whose leaders come and go. */
  storm: (seed) => complaintAtRest(new Chaos(seed, 3, 0, STORM).run(1500)),
  /** Three nodes and two more, that become members and cease to be. */
  churn: (seed) => complaintAtRest(new Chaos(seed, 3, 2, CHURN).run(1500)),
  /** The same, where much happens at once. */
  upheaval: (seed) => complaintAtRest(new Chaos(seed, 3, 1, UPHEAVAL).run(5000)),
  /** Wanders by chance through the small scopes. */
  wander: (seed) => {
    for (const scope of Object.values(scopes)) {
      const { violation } = new Search(scope).wander(100, 50, seededRandom(seed));
      if (violation !== undefined) return violation.rule;
    }
    return undefined;
  },
};

/** Once nothing happens to it any more, it comes to rest. */
function complaintAtRest(chaos: Chaos): string | undefined {
  const applied = chaos.calm().appliedByMembers();
  const isAtRest = applied.length > 0 && new Set(applied).size === 1;
  return isAtRest ? undefined : `it does not come to rest: ${applied.join(' ')}`;
}
