/**
 * `@holdfast/env/memory`: the environment of a test. A disk that loses, tears and garbles by seed, a
 * clock that stands still, randomness that repeats.
 *
 * @example
 * const { files } = await createMemoryEnv({ seed: 7 });
 * const file = await files.open('/a', 'create');
 * await file.write(bytes, 0);
 * for (const { label, files: after } of files.crashStates()) await check(after, label);
 *
 * Source: packages/env/src/memory
 */
export type { Corruption } from './corruption.ts';
export type { Life } from './crash-lives.ts';
export { runLives } from './crash-lives.ts';
export type { CrashPoint, CrashScript } from './crash-points.ts';
export { recordCrashPoints } from './crash-points.ts';
export type { CrashReport } from './crash-report.ts';
export { reportCrashSearch } from './crash-report.ts';
export type { CrashSearchCounts, CrashSearchOptions, CrashSubject } from './crash-search.ts';
export {
  CrashSearch,
  CrashViolation,
  ENOUGH,
  QUICK,
  sampled,
  THOROUGH,
} from './crash-search.ts';
export type { CrashState, CrashStatesOptions } from './crash-states.ts';
export { DiskFingerprints } from './disk-fingerprint.ts';
export type { ChangeKind, DiskOperation, Fault, ReadKind } from './faults.ts';
export { DiskStoppedError } from './faults.ts';
export type { LinkFaults, NetworkStats } from './link-faults.ts';
export { ManualClock } from './manual-clock.ts';
export type { MemoryEnv, MemoryEnvOptions } from './memory-env.ts';
export { createMemoryEnv } from './memory-env.ts';
export type { MemoryFilesOptions } from './memory-files.ts';
export { MemoryFiles } from './memory-files.ts';
export type { MemoryNetworkOptions, MemoryNodeOptions } from './memory-network.ts';
export { MemoryNetwork } from './memory-network.ts';
export type { Neglect } from './negligent-files.ts';
export { negligentFiles, parseNeglect } from './negligent-files.ts';
export { SeededRandom } from './seeded-random.ts';
