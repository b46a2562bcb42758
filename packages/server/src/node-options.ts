/**
 * Node's own options of a server; `scripts/run.mjs` and the Dockerfile, which import nothing, have the same.
 *
 * Why a young generation of 2 x 16 MiB: left to itself, V8 doubles it up to 2 x 64 MiB, whenever enough has lived through a
 * collection, and the memory of a server rises by a step, after an hour perhaps.
 */
export const SERVER_OPTIONS: readonly string[] = [
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
  return words[0] !== 'serve' || isDecided ? [] : SERVER_OPTIONS;
}
