import { invariant } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { BATCH_HEADER_BYTES } from './batch-header.ts';
import { BLOCK_BYTES, roundUpToBlock } from './layout.ts';
import { recordSizeBytes } from './record-codec.ts';
import type { WalIdentity, WalOptions } from './wal.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Record offsets are u32, and the footer comes on top. */
const SEGMENT_SIZE_LIMIT = 2048 * MIB;
const SEGMENT_SIZE_LEAST = 16 * KIB;

/** `WalOptions` with every default filled in and checked. */
export interface Settings {
  readonly env: Env;
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly segmentSizeBytes: number;
  readonly recordSizeLimitBytes: number;
  readonly batchSizeLimitBytes: number;
  readonly pendingSizeLimitBytes: number;
  readonly cacheSizeBytes: number;
  readonly preallocate: boolean;
  readonly spareSizeLimitBytes: number;
}

export function settingsOf(options: WalOptions): Settings {
  const settings: Settings = {
    env: options.env,
    directory: options.directory,
    identity: options.identity,
    segmentSizeBytes: options.segmentSizeBytes ?? 64 * MIB,
    recordSizeLimitBytes: options.recordSizeLimitBytes ?? 2 * MIB,
    batchSizeLimitBytes: options.batchSizeLimitBytes ?? 4 * MIB,
    pendingSizeLimitBytes: options.pendingSizeLimitBytes ?? 16 * MIB,
    cacheSizeBytes: options.cacheSizeBytes ?? 32 * MIB,
    preallocate: options.preallocate ?? true,
    spareSizeLimitBytes: options.spareSizeLimitBytes ?? 256 * MIB,
  };
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: Settings): void {
  const { segmentSizeBytes: segment, identity } = settings;
  invariant(
    segment % BLOCK_BYTES === 0 && segment >= SEGMENT_SIZE_LEAST && segment <= SEGMENT_SIZE_LIMIT,
    `segmentSizeBytes must be a multiple of 4096 from 16 KiB to 2 GiB: ${segment}`,
  );
  for (const [name, value, limit] of [
    ['recordSizeLimitBytes', settings.recordSizeLimitBytes, 256 * MIB],
    ['batchSizeLimitBytes', settings.batchSizeLimitBytes, 256 * MIB],
    ['pendingSizeLimitBytes', settings.pendingSizeLimitBytes, 4096 * MIB],
    ['cacheSizeBytes', settings.cacheSizeBytes, 65536 * MIB],
    ['spareSizeLimitBytes', settings.spareSizeLimitBytes, 65536 * MIB],
  ] as const) {
    const least = name === 'cacheSizeBytes' || name === 'spareSizeLimitBytes' ? 0 : 1;
    invariant(
      Number.isSafeInteger(value) && value >= least && value <= limit,
      `${name} must be from ${least} to ${limit}: ${value}`,
    );
  }
  for (const id of [identity.clusterId, identity.nodeId]) {
    invariant(/^[0-9a-f]{32}$/.test(id), `an identity is 32 lower-case hexadecimal digits: ${id}`);
  }
}

/** Bytes of the largest batch on disk: the limit of a batch, or one largest record. */
export function largestBatchBytes(settings: Settings): number {
  const oneRecord = recordSizeBytes(settings.recordSizeLimitBytes, 0);
  return roundUpToBlock(BATCH_HEADER_BYTES + Math.max(settings.batchSizeLimitBytes, oneRecord));
}
