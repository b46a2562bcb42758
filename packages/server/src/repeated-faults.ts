/** How long the same fault of the same peer is not told again. */
const QUIET_MS = 60_000;
/** Faults of one peer that are remembered; the one that was told longest ago is forgotten for a further one. */
const MOST_FAULTS = 16;

/** When a fault of a peer was told last. */
interface Told {
  readonly atMs: number;
  /** So often since. */
  repeated: number;
}

/**
 * Which faults of peers are told. Why not all: a peer of another version, whose messages nobody here reads, connects and is cut off
 * some ten times a second for as long as it runs.
 */
export class RepeatedFaults {
  /** By peer and by message, in the order in which they were told. */
  readonly #told = new Map<string, Map<string, Told>>();

  /**
   * How often the fault came since it was told last, if it is to be told now: it is new of this peer, or a minute has passed
   * since. undefined where it is not. `nowMs` is of a monotonic clock.
   */
  note(peerId: string, error: unknown, nowMs: number): number | undefined {
    const message = error instanceof Error ? error.message : String(error);
    const told = this.#told.get(peerId) ?? new Map<string, Told>();
    this.#told.set(peerId, told);
    const last = told.get(message);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.repeated += 1;
      return undefined;
    }
    told.delete(message);
    told.set(message, { atMs: nowMs, repeated: 0 });
    const [oldest] = told.keys();
    if (told.size > MOST_FAULTS && oldest !== undefined) told.delete(oldest);
    return last?.repeated ?? 0;
  }
}
