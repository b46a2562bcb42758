/**
 * What the leader knows about one member's log.
 *
 * - `probe`: where the logs agree is not known; one message at a time is out.
 * - `replicate`: they agree up to `matchIndex`; messages are pipelined up to the window, in bytes.
 * - `snapshot`: the member lacks entries that the leader no longer has; nothing is sent until a snapshot arrived.
 *
 * Invariant: matchIndex < nextIndex; `inFlightBytes` is the sum over `inFlight`.
 */
export interface Progress {
  state: 'probe' | 'replicate' | 'snapshot';
  /** Highest index known to be durable on the member and equal to the leader's entry. */
  matchIndex: number;
  /** Next index to send. */
  nextIndex: number;
  /** Messages not yet answered, oldest first; only in `replicate`. */
  inFlight: { readonly lastIndex: number; readonly sizeBytes: number }[];
  inFlightBytes: number;
  /** In `probe`: a message is out, and the next waits for its answer or for a heartbeat's. */
  isProbeSent: boolean;
  /** Highest commit index that was sent along. */
  sentCommit: number;
  /** Highest entry whose commit the member waits for: it is told of that at once, and of others with what comes next. */
  awaitedIndex: number;
  /** In `snapshot`: the index of the snapshot that was offered. */
  pendingSnapshot: number;
  /** Heard of since the last check of the quorum. */
  isRecentlyActive: boolean;
  /** Highest read round that the member has answered. */
  ackedRound: number;
}

export interface Window {
  readonly sizeBytes: number;
  readonly messages: number;
}

export function newProgress(nextIndex: number): Progress {
  return {
    state: 'probe',
    matchIndex: 0,
    nextIndex,
    inFlight: [],
    inFlightBytes: 0,
    isProbeSent: false,
    sentCommit: 0,
    awaitedIndex: 0,
    pendingSnapshot: 0,
    isRecentlyActive: true,
    ackedRound: 0,
  };
}

export function becomeProbe(progress: Progress): void {
  // Why the pending snapshot: it may have arrived though its acknowledgement was lost.
  const snapshotNext = progress.state === 'snapshot' ? progress.pendingSnapshot + 1 : 0;
  progress.nextIndex = Math.max(progress.matchIndex + 1, snapshotNext);
  reset(progress, 'probe');
}

export function becomeReplicate(progress: Progress): void {
  progress.nextIndex = progress.matchIndex + 1;
  reset(progress, 'replicate');
}

export function becomeSnapshot(progress: Progress, snapshotIndex: number): void {
  reset(progress, 'snapshot');
  progress.pendingSnapshot = snapshotIndex;
}

/** True where nothing may be sent now but heartbeats. */
export function isPaused(progress: Progress, window: Window): boolean {
  switch (progress.state) {
    case 'probe':
      return progress.isProbeSent;
    case 'replicate':
      return isWindowFull(progress, window);
    case 'snapshot':
      return true;
  }
}

function isWindowFull(progress: Progress, window: Window): boolean {
  return progress.inFlight.length >= window.messages || progress.inFlightBytes >= window.sizeBytes;
}

/** Notes that entries up to `lastIndex` were sent. */
export function noteSent(progress: Progress, lastIndex: number, sizeBytes: number): void {
  if (progress.state === 'replicate') {
    progress.nextIndex = lastIndex + 1;
    progress.inFlight.push({ lastIndex, sizeBytes });
    progress.inFlightBytes += sizeBytes;
  } else {
    progress.isProbeSent = true;
  }
}

/** Notes that the member has everything up to `index`. Returns whether that is news. */
export function noteMatch(progress: Progress, index: number): boolean {
  const isNews = index > progress.matchIndex;
  if (isNews) {
    progress.matchIndex = index;
    progress.isProbeSent = false;
  }
  progress.nextIndex = Math.max(progress.nextIndex, progress.matchIndex + 1);
  while (progress.inFlight[0] !== undefined && progress.inFlight[0].lastIndex <= index) {
    progress.inFlightBytes -= progress.inFlight[0].sizeBytes;
    progress.inFlight.shift();
  }
  return isNews;
}

/**
 * Steps back after a rejection of `rejectedIndex`, to `hintIndex` at most. Returns false for an answer that is out
 * of date: another one has moved on since.
 */
export function noteRejected(
  progress: Progress,
  rejectedIndex: number,
  hintIndex: number,
): boolean {
  if (progress.state === 'replicate') {
    if (rejectedIndex <= progress.matchIndex) return false;
    becomeProbe(progress);
    return true;
  }
  if (progress.state === 'snapshot' || progress.nextIndex - 1 !== rejectedIndex) return false;
  const next = Math.min(rejectedIndex, hintIndex + 1);
  progress.nextIndex = Math.max(next, progress.matchIndex + 1);
  progress.isProbeSent = false;
  return true;
}

function reset(progress: Progress, state: Progress['state']): void {
  progress.state = state;
  progress.inFlight = [];
  progress.inFlightBytes = 0;
  progress.isProbeSent = false;
  progress.pendingSnapshot = 0;
}
