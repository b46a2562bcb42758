/** Time, of two kinds that must not be mixed. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970: for people and for headers; it may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start that never go back: for durations and timeouts. Fractional. */
  monotonicMs(): number;
  /** Resolves after `delayMs`. Does not keep a process alive. */
  sleep(delayMs: number): Promise<void>;
  /**
   * Resolves after what else waits for this thread, requests and timers that are due among it, has had its turn. Long work
   * in memory awaits it now and then. In memory, where nothing else waits, it takes no time and is a microtask.
   */
  turn(): Promise<void>;
  /** Calls `callback` once after `delayMs`, unless cancelled. Does not keep a process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}
