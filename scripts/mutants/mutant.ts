/** What a mutant is: one rule of safety, one place where it is broken, and what finds that out. */

/** One place of one source file. */
export interface Edit {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/** A duty to the disk that is left undone or done late, whoever in the source has it: as `Neglect` of `@holdfast/env/memory`, as text. */
export interface Neglect {
  readonly duty: 'sync' | 'writeSynced' | 'syncDirectory';
  /** The source of a regular expression. */
  readonly path: string;
  readonly position?: 'start' | 'later';
  /** The source of a regular expression, or a count of turns. */
  readonly until?: string | number;
}

/** A function of a `trials.ts`, and what it is called with: one of its `trials`, or of its `seededTrials` with a seed. */
export interface TrialRun {
  readonly module: string;
  readonly words: readonly string[];
}

/** One test of vitest: the only one of its file whose name, after those of its suites (`suite > test`), ends so. */
export interface TestRun {
  readonly test: string;
  readonly name: string;
}

export type Trial = TrialRun | TestRun;

/** One of `seededTrials`, with seeds that nobody has chosen: its words are `trial FIRST_SEED COUNT ...more`. */
export interface Hunt {
  readonly module: string;
  readonly trial: string;
  /** Seeds of one run; `--seeds` multiplies it. */
  readonly seeds: number;
  readonly more?: readonly string[];
}

export interface Mutant {
  readonly name: string;
  /** What must hold, and does not any more. */
  readonly rule: string;
  readonly broken: Edit | Neglect;
  /** Finds it out, and nothing without it. */
  readonly pinned: Trial;
  /** In order, until one finds it out. */
  readonly hunts: readonly Hunt[];
}

/** The test of a file whose whole name ends so. */
export function test(file: string, name: string): TestRun {
  return { test: file, name };
}

/** The text with the edit. Throws where what is to be changed does not stand in it exactly once. */
export function applyEdit({ file, from, to }: Edit, text: string): string {
  const count = text.split(from).length - 1;
  if (count === 1) return text.replace(from, () => to);
  throw new Error(`what it breaks stands ${count} times in ${file}: ${from}`);
}
