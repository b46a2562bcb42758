/** The one list of ways to break a rule of safety. */
import { diskMutants } from './disk.ts';
import { keyMutants } from './keys.ts';
import { kvMutants } from './kv.ts';
import type { Mutant } from './mutant.ts';
import { objectsMutants } from './objects.ts';
import { raftMutants } from './raft.ts';
import { replicaMutants } from './replica.ts';
import { s3Mutants } from './s3.ts';
import { walMutants } from './wal.ts';

export const allMutants: readonly Mutant[] = [
  ...raftMutants,
  ...replicaMutants,
  ...diskMutants,
  ...walMutants,
  ...kvMutants,
  ...objectsMutants,
  ...s3Mutants,
  ...keyMutants,
];
