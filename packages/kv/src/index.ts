/**
 * `@holdfast/kv`: ordered keys on the log. The `KvStore` port; the state machine that turns committed
 * log records into a sorted index over them; and a store on one node's own log. It stands on `wal`, `env`
 * and `bytes`, and knows neither objects nor Raft.
 *
 * @example
 * const store = await openLocalStore({ env, directory: 'data' });
 * await store.transact({
 *   conditions: [{ kind: 'absent', key }],
 *   operations: [{ kind: 'put', key, value }],
 * }); // durable and visible from here on
 *
 * Source: packages/kv/src, formats in docs/formats/{kv-entry,table,manifest,backup}.md
 */

export { listBackups } from './backup/backup-folder.ts';
export type { BackupManifest } from './backup/backup-manifest.ts';
export type { RestoreReport, RestoreRequest } from './backup/restore-backup.ts';
export { restoreBackup } from './backup/restore-backup.ts';
export type { RestoreAim } from './backup/restore-point.ts';
export type { BackupReport, BackupRequest } from './backup/take-backup.ts';
export { refuseOwnFolder } from './backup/take-backup.ts';
export type { VerifiedBackup } from './backup/verify-backup.ts';
export { verifyBackups } from './backup/verify-backup.ts';
export type { Committer, CommitterContext, OpenedFolder, StoreSeam } from './committer.ts';
export type { CompactionProgress, CompactionReport } from './compactor.ts';
export type { EncodedEntry } from './entry-codec.ts';
export { encodeEntry, KV_ENTRY_KIND, NEWEST_ENTRY_KIND } from './entry-codec.ts';
export type { KvErrorCode } from './errors.ts';
export { KvError, newerRecord } from './errors.ts';
export { readWholeFile, replaceFile } from './file-replacement.ts';
export type { ImageEntry, ImageRecord, StoredRecord, ValueName } from './image/image-entry.ts';
export {
  decodeImageEntry,
  decodeValueName,
  encodeImageEntry,
  encodeValueName,
} from './image/image-entry.ts';
export type { ImageFeed, ImageSection, ListRequest } from './image/image-feed.ts';
export { PAGE_SECTION_LIMIT, SECTION_ENTRY_LIMIT } from './image/image-feed.ts';
export type { IncomingImage, IncomingSettings, WholeImage } from './image/incoming-image.ts';
export type { PinnedImage } from './image/pinned-image.ts';
export type { StoreImages } from './image/store-images.ts';
export type { DamageArea, StoreDamage } from './inspect-damage.ts';
export type { ManifestFinding, SegmentLiveBytes } from './inspect-manifest.ts';
export { describeManifestFinding, inspectManifest } from './inspect-manifest.ts';
export type { StoreCounts, StoreFinding } from './inspect-store.ts';
export { describeStoreFinding, verifyStore } from './inspect-store.ts';
export type { TableFinding } from './inspect-table.ts';
export { describeTableFinding, inspectTable } from './inspect-table.ts';
export type { ApplyOutcome, KvEngineOptions } from './kv-engine.ts';
export { KvEngine } from './kv-engine.ts';
export type { KvPrompt, KvPromptOptions } from './kv-prompt.ts';
export { createKvPrompt } from './kv-prompt.ts';
export type {
  Condition,
  KvCursor,
  KvEntry,
  KvEntryWithValue,
  KvReader,
  KvStore,
  LocalReads,
  Operation,
  ReadView,
  ScanOptions,
  ScanPage,
  Transaction,
  TransactResult,
} from './kv-store.ts';
export { KEY_SIZE_LIMIT_BYTES, VALUE_SIZE_LIMIT_BYTES } from './limits.ts';
export type { LocalRecovery, RecoveryStep } from './local-recovery.ts';
export type { LocalStore, LocalStoreOptions } from './local-store.ts';
export { openLocalStore, openStore } from './local-store.ts';
export { IDENTITY_FILE, readIdentity } from './node-identity.ts';
export type { ClosableFolder } from './open-folder.ts';
export { lockStopped, openFolder, viewFolder } from './open-folder.ts';
export type { OverlayStore } from './overlay-store.ts';
export { openOverlayStore } from './overlay-store.ts';
export type { CommittedRecord } from './prepared-record.ts';
export { readsOf } from './reads-of.ts';
export type { SalvageFinding } from './salvage.ts';
export { describeSalvageFinding, salvageStore } from './salvage.ts';
export type { ScrubberOptions, ScrubReport } from './scrubber.ts';
export { Scrubber } from './scrubber.ts';
export type { HealReport } from './segment-healing.ts';
export { Slab } from './slab.ts';
export type { LocalStoreSettings } from './store-settings.ts';
export type { ExtentFileStatus, LocalStoreStatus, SegmentStatus } from './store-status.ts';
