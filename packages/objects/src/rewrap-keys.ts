/**
 * Seals every data key anew that an older version of its key sealed: one small record each, no bytes.
 *
 * Each pass looks at a view, so that no record can hide from it by moving; it is over when a pass found none. New data
 * keys are sealed with the present version, so none is added behind it. Customers' keys are not in the store:
 * what they sealed stays.
 */
import type { KvEntryWithValue } from '@holdfast/kv';
import { rewrapped } from './data-keys.ts';
import type { EncryptionRecord } from './encryption.ts';
import { entriesOf } from './key-range.ts';
import { KeyServiceError, type RewrapReport, type SealedKey } from './key-service.ts';
import { KEY_SPACE, type KeySpace, spaceRange } from './keys.ts';
import { decodeObjectRecord, encodeObjectRecord } from './object-record.ts';
import { commit, put, type StoreContext, unchanged } from './store-context.ts';
import { decodeUploadRecord, encodeUploadRecord } from './upload-record.ts';

/** A pass over a store of a billion records takes less. */
const VIEW_AGE_MS = 6 * 60 * 60 * 1000;

/** Spaces of records with data keys, and how a record is read and written. */
const RECORDS: readonly (readonly [KeySpace, Recoder])[] = [
  [KEY_SPACE.upload, recoder(decodeUploadRecord, encodeUploadRecord)],
  [KEY_SPACE.object, recoder(decodeObjectRecord, encodeObjectRecord)],
  [KEY_SPACE.objectVersion, recoder(decodeObjectRecord, encodeObjectRecord)],
];

/** The encryption of a value, and the value with another one. */
type Recoder = (value: Uint8Array) => {
  readonly encryption: EncryptionRecord | undefined;
  readonly withEncryption: (encryption: EncryptionRecord) => Uint8Array;
};

function recoder<Record extends { readonly encryption?: EncryptionRecord | undefined }>(
  decode: (value: Uint8Array) => Record,
  encode: (record: Record) => Uint8Array,
): Recoder {
  return (value) => {
    const record = decode(value);
    return {
      encryption: record.encryption,
      withEncryption: (encryption) => encode({ ...record, encryption }),
    };
  };
}

/** May run beside all other work; stops early, with a report, where `shouldStop` says so. */
export async function rewrapKeys(
  context: StoreContext,
  shouldStop: () => boolean = () => false,
): Promise<RewrapReport> {
  let rewrapped = 0;
  for (;;) {
    const pass = await onePass(context, shouldStop);
    rewrapped += pass.rewrapped;
    const found = pass.rewrapped + pass.raced > 0;
    if (pass.stopped || !found) return { rewrapped, failed: pass.failed, whole: !pass.stopped };
  }
}

async function onePass(context: StoreContext, shouldStop: () => boolean) {
  const counts = { rewrapped: 0, raced: 0, failed: 0, stopped: false };
  const view = await context.kv.readView({ maxAgeMs: VIEW_AGE_MS });
  try {
    for (const [space, read] of RECORDS) {
      for await (const entry of entriesOf(view, spaceRange(space))) {
        if (shouldStop()) return { ...counts, stopped: true };
        const outcome = await rewrapEntry(context, entry, read);
        if (outcome !== 'kept') counts[outcome]++;
      }
    }
    return counts;
  } finally {
    view.close();
  }
}

async function rewrapEntry(
  context: StoreContext,
  { key, version, value }: KvEntryWithValue,
  read: Recoder,
): Promise<'kept' | 'rewrapped' | 'raced' | 'failed'> {
  const { encryption, withEncryption } = read(value);
  if (encryption === undefined || encryption.kind === 'customer') return 'kept';
  let again: SealedKey | undefined;
  try {
    again = await rewrapped(context, encryption);
  } catch (error) {
    if (!(error instanceof KeyServiceError)) throw error;
    return 'failed';
  }
  if (again === undefined) return 'kept';
  const { sealed: sealedKey, stillSeals } = again;
  const failed = await commit(
    context,
    [unchanged(key, version), ...(stillSeals ? [stillSeals] : [])],
    [put(key, withEncryption({ ...encryption, sealedKey }))],
  );
  return failed === undefined ? 'rewrapped' : 'raced';
}
