/** How long the same fault of the same peer is not told again. */
const QUIET_MS = 60_000;

/** What was told of a peer last. */
interface Told {
  readonly message: string;
  readonly atMs: number;
  /** So often since. */
  repeated: number;
}

/**
 * Which faults of peers are told. Why not all: a peer of another version, whose messages nobody here reads, connects and is cut off
 * some ten times a second for as long as it runs.
 */
export class RepeatedFaults {
  readonly #told = new Map<string, Told>();

  /**
   * How often the fault came since it was told last, if it is to be told now: it is another one than the last of this peer, or
   * a minute has passed. undefined where it is not. `nowMs` is of a monotonic clock.
   */
  note(peerId: string, error: unknown, nowMs: number): number | undefined {
    const message = error instanceof Error ? error.message : String(error);
    const last = this.#told.get(peerId);
    if (last?.message === message && nowMs - last.atMs < QUIET_MS) {
      last.repeated += 1;
      return undefined;
    }
    this.#told.set(peerId, { message, atMs: nowMs, repeated: 0 });
    return last?.message === message ? last.repeated : 0;
  }
}
