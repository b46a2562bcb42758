import type { Env } from '@holdfast/env';
import type { Wal, WalIdentity } from '@holdfast/wal';
import type { KvEngine } from '../kv-engine.ts';
import type { ReaderPins } from '../reader-pins.ts';
import type { ReadExtent } from '../value-reader.ts';

/** Of an open store, what images are made of and put into. */
export interface ImageParts {
  readonly env: Env;
  /** The node's folder. */
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly pins: ReaderPins;
  readonly readExtent: ReadExtent;
  /** Runs `body` while nothing is flushed, merged into the list of tables, or removed. */
  readonly quiesced: <Result>(body: () => Promise<Result>) => Promise<Result>;
  /** To be called when nothing helps any more but a restart. */
  readonly onFailure: (cause: unknown) => void;
}
