import {
  CrashSearch,
  type CrashSearchCounts,
  type CrashSearchOptions,
  type CrashSubject,
  CrashViolation,
} from './crash-search.ts';

/** What a search says to the process that started it. */
export interface CrashReport extends CrashSearchCounts {
  /** The first violation; undefined where there is none. */
  readonly violation: string | undefined;
  /** Fingerprints of the states, 16 digits each: states of several searches may be alike. */
  readonly fingerprints: string;
}

/** Searches, and tells of a violation instead of failing with it. */
export async function reportCrashSearch<Moment>(
  subject: CrashSubject<Moment>,
  options: CrashSearchOptions,
): Promise<CrashReport> {
  const search = new CrashSearch(subject, options);
  let violation: string | undefined;
  try {
    await search.run();
  } catch (error) {
    if (!(error instanceof CrashViolation)) throw error;
    violation = error.message;
  }
  return { ...search.counts, violation, fingerprints: [...search.states()].join('') };
}
