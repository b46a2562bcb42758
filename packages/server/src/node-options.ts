/** Node's own options of a server, in one place. `scripts/run.mjs` and the Dockerfile, which import nothing, have those of a lone one. */

/**
 * Why a young generation of 2 x 8 MiB: left to itself, V8 doubles it up to 2 x 64 MiB, whenever enough has lived through a
 * collection, and the memory of a server rises by a step, after an hour perhaps.
 */
const LONE_NODE: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=8',
];

/** Why more than of a lone one: more is in flight in a node of a cluster, which answers its peers too. */
export const MEMBER_OPTIONS: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=16',
];

const YOUNG_GENERATION = /max[-_]semi[-_]space[-_]size/;

/** What a process lacks. */
export interface Started {
  /** The words of the command, without that of the program. */
  readonly words: readonly string[];
  /** Node's options that it was started with. */
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The options to start such a process anew with, for V8 takes them only at its start; none where it is no server, or who
 * started it has decided.
 */
export function missingOptions({ words, options, environment }: Started): readonly string[] {
  const isDecided = [...options, environment['NODE_OPTIONS'] ?? ''].some((option) =>
    YOUNG_GENERATION.test(option),
  );
  if (words[0] !== 'serve' || isDecided) return [];
  const isMember = words.some((word) => word === '--cluster' || word.startsWith('--cluster='));
  return isMember || environment['HOLDFAST_CLUSTER'] ? MEMBER_OPTIONS : LONE_NODE;
}
