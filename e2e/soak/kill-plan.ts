import { SeededDice } from '../harness/seeded-dice.ts';

export interface PlannedKill {
  readonly atMs: number;
  readonly node: string;
  /** Until it is started again. */
  readonly downMs: number;
}

/** Between two kills. */
const KILL_EVERY_MS = 60_000;
const MOST_DOWN_MS = 8_000;

export interface KillPlan {
  readonly kills: readonly PlannedKill[];
  /** Nodes that nobody kills in the second half: what they hold is judged there. */
  readonly judged: readonly string[];
}

/**
 * In the first half any node is killed. In the second half of a cluster the first node goes on to be killed, so that the
 * others lose and regain a peer all the time, and live long enough to be judged; a lone node is left alone.
 */
export function planKills(nodes: readonly string[], lengthMs: number, seed: number): KillPlan {
  const dice = new SeededDice(seed);
  const [first = '', ...others] = nodes;
  const kills: PlannedKill[] = [];
  for (let atMs = KILL_EVERY_MS / 2; atMs < lengthMs - MOST_DOWN_MS; atMs += KILL_EVERY_MS) {
    const isFirstHalf = atMs < lengthMs / 2;
    if (!isFirstHalf && others.length === 0) break;
    const node = isFirstHalf ? dice.pick(nodes) : first;
    kills.push({ atMs, node, downMs: dice.below(MOST_DOWN_MS) });
  }
  return { kills, judged: others.length > 0 ? others : [first] };
}
