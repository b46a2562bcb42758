/** Time, of two kinds that must not be mixed. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970: for people and for headers; it may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start that never go back: for durations and timeouts. Fractional. */
  monotonicMs(): number;
  /** Resolves after `delayMs`. Does not keep a process alive. */
  sleep(delayMs: number): Promise<void>;
  /** Calls `callback` once after `delayMs`, unless cancelled. Does not keep a process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}
