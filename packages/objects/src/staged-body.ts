/**
 * Body bytes on their way in. A small body is held and goes into the transaction of its commit. A large
 * one is written ahead in chunks under an intent; nothing refers to them until the commit deletes the
 * intent and writes a reference in one transaction.
 *
 * Safety: every chunk and the commit ask that the intent still exists. The sweeper deletes the intent
 * before the chunks. So an upload that the sweeper took for dead fails, and no object ever points at
 * chunks that are being swept.
 */

import type { DigestAlgorithm, DigestResults } from '@holdfast/env';
import type { Condition, Operation } from '@holdfast/kv';
import { fromBase64 } from './base64.ts';
import { BodyIntake } from './body-intake.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { ObjectStoreError } from './errors.ts';
import { chunkKey, idKey, KEY_SPACE } from './keys.ts';
import type { RawChecksum } from './metadata-codec.ts';
import type { BlobRef } from './object-record.ts';
import type { BodySource, BodyVerification } from './object-store.ts';
import { type BlobOwner, encodeBlobOwner } from './owner-record.ts';
import { newId, put, type StoreContext } from './store-context.ts';

export interface StagedBody {
  readonly sizeBytes: number;
  readonly md5: Uint8Array;
  readonly digests: DigestResults;
  /** What `accept` said to store. */
  readonly checksum: RawChecksum | undefined;
  /** undefined for a body without bytes. */
  readonly blob: BlobRef | undefined;
  /** What the commit must ask for besides its own conditions. */
  readonly conditions: readonly Condition[];
  /** What the commit must do so that the bytes are kept for `owner`. */
  keep(owner: BlobOwner): readonly Operation[];
  /** Called once, after the commit or instead of it. Releases what was written and not committed. */
  end(committed: boolean): Promise<void>;
}

export interface StageOptions {
  readonly body: BodySource;
  readonly verification: BodyVerification | undefined;
  /** Wanted besides MD5 and what `verification` wants. */
  readonly algorithms?: readonly DigestAlgorithm[];
}

/** Reads the body to its end. Where it rejects, nothing is kept. */
export async function stageBody(context: StoreContext, options: StageOptions): Promise<StagedBody> {
  const { body, verification } = options;
  const algorithms = wantedDigests(options);
  const intake = new BodyIntake(body, context.limits);
  const start = await intake.readStart();
  if (start !== undefined) {
    const digests = context.env.digests.compute(algorithms, start);
    const checksum = accept(verification, digests, start.length);
    return inlineBody(context, start, digests, checksum);
  }
  const writer = await openWriter(context, algorithms, intake);
  try {
    for await (const piece of intake.rest()) await writer.write(piece);
    const { digests, blob } = await writer.finish();
    const checksum = accept(verification, digests, blob.sizeBytes);
    return writtenBody(writer, blob, digests, checksum);
  } catch (error) {
    await writer.end(false);
    throw error;
  }
}

async function openWriter(
  context: StoreContext,
  algorithms: readonly DigestAlgorithm[],
  intake: BodyIntake,
): Promise<ChunkWriter> {
  try {
    return await ChunkWriter.open(context, algorithms);
  } catch (error) {
    await intake.stop();
    throw error;
  }
}

function wantedDigests(options: StageOptions): readonly DigestAlgorithm[] {
  const wanted = new Set<DigestAlgorithm>(['md5']);
  for (const algorithm of options.verification?.digests ?? []) wanted.add(algorithm);
  for (const algorithm of options.algorithms ?? []) wanted.add(algorithm);
  return [...wanted];
}

function accept(
  verification: BodyVerification | undefined,
  digests: DigestResults,
  sizeBytes: number,
): RawChecksum | undefined {
  const accepted = verification?.accept(digests, sizeBytes);
  if (accepted === undefined) return undefined;
  const bytes = fromBase64(accepted.value);
  if (bytes === undefined) {
    throw new ObjectStoreError('InvalidArgument', 'A checksum to store must be base64.');
  }
  return { algorithm: accepted.algorithm, bytes };
}

function inlineBody(
  context: StoreContext,
  bytes: Uint8Array,
  digests: DigestResults,
  checksum: RawChecksum | undefined,
): StagedBody {
  const sizeBytes = bytes.length;
  const { chunkSizeBytes } = context.limits;
  const blob = sizeBytes === 0 ? undefined : { blobId: newId(context), chunkSizeBytes, sizeBytes };
  return {
    sizeBytes,
    md5: digests.get('md5') as Uint8Array,
    digests,
    checksum,
    blob,
    conditions: [],
    keep: (owner) =>
      blob === undefined
        ? []
        : [put(chunkKey(blob.blobId, 0), bytes), reference(blob.blobId, owner)],
    end: async () => {},
  };
}

function writtenBody(
  writer: ChunkWriter,
  blob: BlobRef,
  digests: DigestResults,
  checksum: RawChecksum | undefined,
): StagedBody {
  const intent = idKey(KEY_SPACE.intent, blob.blobId);
  return {
    sizeBytes: blob.sizeBytes,
    md5: digests.get('md5') as Uint8Array,
    digests,
    checksum,
    blob,
    conditions: [{ kind: 'exists', key: intent }],
    keep: (owner) => [{ kind: 'delete', key: intent }, reference(blob.blobId, owner)],
    end: (committed) => writer.end(committed),
  };
}

function reference(blobId: Uint8Array, owner: BlobOwner): Operation {
  return put(idKey(KEY_SPACE.reference, blobId), encodeBlobOwner(owner));
}
