/**
 * Body bytes on their way in. A small body is held and goes into the transaction of its commit. A large
 * one is written ahead in chunks under an intent; nothing refers to them until the commit deletes the
 * intent and writes a reference in one transaction. Between the two is the plain body of one chunk, where the caller asks for
 * it: a buffer holds it until the commit writes it, and there is no intent.
 *
 * Safety: every chunk and the commit ask that the intent still exists. The sweeper deletes the intent
 * before the chunks. So an upload that the sweeper took for dead fails, and no object ever points at
 * chunks that are being swept.
 */

import { concatBytes, utf8 } from '@holdfast/bytes';
import type { DigestAlgorithm, DigestResults } from '@holdfast/env';
import type { Condition, Operation } from '@holdfast/kv';
import { BodyIntake } from './body-intake.ts';
import { chunkSeals, SEAL_SIZE_BYTES } from './chunk-seals.ts';
import { ChunkWriter, type WrittenBlob } from './chunk-writer.ts';
import { crc32Of } from './crc-combine.ts';
import { type OpenEncryption, rewrapped } from './data-keys.ts';
import type { EncryptionRecord } from './encryption.ts';
import { ObjectStoreError } from './errors.ts';
import { chunkKey, idKey, KEY_SPACE } from './keys.ts';
import type { RawChecksum } from './metadata-codec.ts';
import type { BlobRef } from './object-record.ts';
import type { BodySource, BodyVerification } from './object-store.ts';
import { type BlobOwner, encodeBlobOwner } from './owner-record.ts';
import { newId, put, remove, type StoreContext } from './store-context.ts';

const ETAG_PURPOSE = utf8('holdfast etag 1\0');
const ETAG_SIZE_BYTES = 16;

export interface StagedBody {
  readonly sizeBytes: number;
  /** What the ETag is made of: the MD5, or a secret function of it where it must say nothing about the bytes. */
  readonly md5: Uint8Array;
  readonly digests: DigestResults;
  /** What `accept` said to store. */
  readonly checksum: RawChecksum | undefined;
  /** undefined for a body without bytes. */
  readonly blob: BlobRef | undefined;
  readonly encryption: EncryptionRecord | undefined;
  /** What the commit must ask for besides its own conditions: that the chunks are there. */
  readonly conditions: readonly Condition[];
  /** And that the key which sealed the data key still does. */
  readonly stillSeals: Condition | undefined;
  /** Whether `keep` writes a chunk, which takes a place among the chunks at the KvStore. */
  readonly carriesChunk: boolean;
  /** What the commit must do so that the bytes are kept for `owner`. */
  keep(owner: BlobOwner): readonly Operation[];
  /** Called once, after the commit or instead of it. Releases what was written and not committed; undefined: nothing was. */
  end(committed: boolean): Promise<void> | undefined;
}

export interface StageOptions {
  readonly body: BodySource;
  readonly verification: BodyVerification | undefined;
  /** Wanted besides MD5 and what `verification` wants. */
  readonly algorithms?: readonly DigestAlgorithm[];
  readonly encryption?: BodyEncryption | undefined;
  /** A plain body of one chunk is not written ahead: the commit does it, and until then a buffer is held. */
  readonly commitsOnlyChunk?: boolean;
}

/** How a body is sealed on its way in. */
export interface BodyEncryption extends OpenEncryption {
  /** 0 for the body of a plain put. */
  readonly partNumber: number;
}

/** Reads the body to its end. Where it rejects or throws, nothing is kept. */
export function stageBody(
  context: StoreContext,
  options: StageOptions,
): StagedBody | Promise<StagedBody> {
  const intake = new BodyIntake(options.body, intakeLimits(context, options.encryption));
  const arrived = intake.takeArrived();
  return arrived === undefined
    ? stagePieces(context, options, intake)
    : stageWhole(context, options, arrived);
}

/** A small body that is all there waits for nothing but its digests. */
function stageWhole(
  context: StoreContext,
  options: StageOptions,
  bytes: Uint8Array,
): StagedBody | Promise<StagedBody> {
  const { verification, encryption } = options;
  const hashed = (digests: DigestResults): StagedBody => {
    const checksum = accept(verification, digests, bytes.length);
    return inlineBody(context, bytes, { digests, checksum, encryption });
  };
  const digests = context.env.digests.computeSoon(wantedDigests(options), bytes);
  return digests instanceof Promise ? digests.then(hashed) : hashed(digests);
}

async function stagePieces(
  context: StoreContext,
  options: StageOptions,
  intake: BodyIntake,
): Promise<StagedBody> {
  const start = await intake.readStart();
  if (start !== undefined) return stageWhole(context, options, start);
  const { verification, encryption, commitsOnlyChunk } = options;
  const open = () =>
    ChunkWriter.open(context, wantedDigests(options), {
      encryption,
      keepsOnlyChunk: commitsOnlyChunk,
    });
  const writer = await openWriter(intake, open);
  try {
    await intake.pourRest((piece) => writer.write(piece));
    const written = await writer.finish();
    const { digests, blob } = written;
    const checksum = accept(verification, digests, blob.sizeBytes);
    return writtenBody(context, writer, { ...written, checksum, encryption });
  } catch (error) {
    await writer.end(false);
    throw error;
  }
}

/** The body with its data key sealed anew. OperationAborted where this node knows of no other key that seals. */
export async function resealed(context: StoreContext, staged: StagedBody): Promise<StagedBody> {
  const { encryption } = staged;
  const again = encryption && (await rewrapped(context, encryption));
  if (encryption === undefined || again === undefined) throw givenUpKey();
  const { sealed: sealedKey } = again;
  return {
    ...staged,
    encryption: { ...encryption, sealedKey },
    stillSeals: again.stillSeals,
  };
}

/** Of a node that has not heard yet which key seals from now on. */
function givenUpKey(): ObjectStoreError {
  return new ObjectStoreError(
    'OperationAborted',
    'The key that the upload was encrypted with is being replaced. Please try again.',
  );
}

/** All that the commit must ask for. */
export function conditionsOf({ conditions, stillSeals }: StagedBody): readonly Condition[] {
  return stillSeals === undefined ? conditions : [...conditions, stillSeals];
}

/** What is sealed must fit into one chunk, with its tag. */
function intakeLimits(context: StoreContext, encryption: BodyEncryption | undefined) {
  const { limits } = context;
  const most = limits.chunkSizeBytes - SEAL_SIZE_BYTES;
  if (encryption === undefined || limits.inlineSizeBytes <= most) return limits;
  return { ...limits, inlineSizeBytes: most };
}

async function openWriter(
  intake: BodyIntake,
  open: () => Promise<ChunkWriter>,
): Promise<ChunkWriter> {
  try {
    return await open();
  } catch (error) {
    await intake.stop();
    throw error;
  }
}

function wantedDigests(options: StageOptions): readonly DigestAlgorithm[] {
  const wanted: DigestAlgorithm[] = ['md5'];
  for (const more of [options.verification?.digests, options.algorithms]) {
    for (const algorithm of more ?? []) if (!wanted.includes(algorithm)) wanted.push(algorithm);
  }
  return wanted;
}

function accept(
  verification: BodyVerification | undefined,
  digests: DigestResults,
  sizeBytes: number,
): RawChecksum | undefined {
  const algorithm = verification?.accept(digests, sizeBytes);
  if (algorithm === undefined) return undefined;
  const bytes = digests.get(algorithm);
  if (bytes === undefined) {
    throw new ObjectStoreError('InvalidArgument', 'A checksum to store must have been asked for.');
  }
  return { algorithm, bytes };
}

interface BodyFacts {
  readonly digests: DigestResults;
  readonly checksum: RawChecksum | undefined;
  readonly encryption: BodyEncryption | undefined;
}

function inlineBody(context: StoreContext, bytes: Uint8Array, facts: BodyFacts): StagedBody {
  const sizeBytes = bytes.length;
  const blobId = sizeBytes === 0 ? undefined : newId(context);
  const chunk = blobId === undefined ? bytes : sealed(context, bytes, blobId, facts.encryption);
  const crc = chunk === bytes ? crc32Of(facts.digests) : undefined;
  const chunkSizeBytes =
    context.limits.chunkSizeBytes - (facts.encryption === undefined ? 0 : SEAL_SIZE_BYTES);
  return {
    sizeBytes,
    md5: etagBytes(context, facts),
    digests: facts.digests,
    checksum: facts.checksum,
    blob: blobId && { blobId, chunkSizeBytes, sizeBytes },
    encryption: facts.encryption?.record,
    stillSeals: facts.encryption?.stillSeals,
    conditions: [],
    carriesChunk: false,
    keep: (owner) =>
      blobId === undefined ? [] : [put(chunkKey(blobId, 0), chunk, crc), reference(blobId, owner)],
    end: () => undefined,
  };
}

function sealed(
  context: StoreContext,
  bytes: Uint8Array,
  blobId: Uint8Array,
  encryption: BodyEncryption | undefined,
): Uint8Array {
  if (encryption === undefined) return bytes;
  const { ciphers } = context.env;
  const { dataKey, partNumber } = encryption;
  return ciphers.seal(chunkSeals(ciphers, dataKey, { blobId, partNumber })(0, true), bytes);
}

/**
 * Why not the MD5: who may list a bucket must not learn what a customer's or a named key hides. Of the same bytes it is
 * the same within one upload, so that a client may send a part again.
 */
function etagBytes(context: StoreContext, { digests, encryption }: BodyFacts): Uint8Array {
  const md5 = digests.get('md5') as Uint8Array;
  if (encryption === undefined || encryption.record.kind === 'master') return md5;
  const purpose = concatBytes([ETAG_PURPOSE, md5]);
  return context.env.ciphers.deriveKey(encryption.dataKey, purpose).slice(0, ETAG_SIZE_BYTES);
}

function writtenBody(
  context: StoreContext,
  writer: ChunkWriter,
  facts: BodyFacts & WrittenBlob,
): StagedBody {
  const { blob, onlyChunk } = facts;
  const intent = idKey(KEY_SPACE.intent, blob.blobId);
  return {
    sizeBytes: blob.sizeBytes,
    md5: etagBytes(context, facts),
    digests: facts.digests,
    checksum: facts.checksum,
    blob,
    encryption: facts.encryption?.record,
    stillSeals: facts.encryption?.stillSeals,
    conditions: onlyChunk === undefined ? [{ kind: 'exists', key: intent }] : [],
    carriesChunk: onlyChunk !== undefined,
    keep: (owner) => [
      onlyChunk === undefined
        ? remove(intent)
        : put(chunkKey(blob.blobId, 0), onlyChunk, crc32Of(facts.digests)),
      reference(blob.blobId, owner),
    ],
    end: (committed) => writer.end(committed),
  };
}

function reference(blobId: Uint8Array, owner: BlobOwner): Operation {
  return put(idKey(KEY_SPACE.reference, blobId), encodeBlobOwner(owner));
}
