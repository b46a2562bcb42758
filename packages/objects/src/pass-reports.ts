/** What the passes of background work did. */

export interface GarbageReport {
  readonly releasedBlobs: number;
  readonly expiredIntents: number;
  readonly unreferencedBlobs: number;
  readonly deletedChunks: number;
  readonly deletedBytes: number;
}

/** What a pass of the lifecycle rules did. */
export interface LifecycleReport {
  /** Versions and open uploads that were looked at. */
  readonly examined: number;
  /** Latest versions that expired: deleted, or hidden by a delete marker. */
  readonly expired: number;
  /** Versions that were not the latest, deleted for good. */
  readonly noncurrentExpired: number;
  /** Delete markers that were the only version of their key. */
  readonly markersRemoved: number;
  readonly uploadsAborted: number;
  /** Due, but protected by object lock. */
  readonly locked: number;
  /** Due, but changed meanwhile: judged anew by the next pass. */
  readonly raced: number;
}
