import type { Checksums } from '@holdfast/bytes';
import type { Ciphers } from './ciphers.ts';
import type { Clock } from './clock.ts';
import type { Digests } from './digests.ts';
import type { Files } from './files.ts';
import type { Random } from './random.ts';

/** Everything that a layer may ask of the outside. Made once by the composition root, handed down. */
export interface Env extends Checksums {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly digests: Digests;
  readonly ciphers: Ciphers;
}
