/** What a key may hold: the digest of a body, or nothing. */
export type Version = string;
export const ABSENT: Version = 'absent';

export interface Attempt {
  readonly key: string;
  readonly version: Version;
  readonly begunAt: number;
  /** When the acknowledgement came; Infinity while, or for ever if, the outcome is unknown. */
  endedAt: number;
}

/**
 * Remembers every write that was sent and every acknowledgement that came back, and says what each key may hold
 * now. A write may be the last one unless another one was begun after its acknowledgement and was
 * itself acknowledged: the definition of a linearizable register, for one read at the end.
 */
export class WriteLedger {
  readonly #attempts = new Map<string, Attempt[]>();
  /** Stands for time: every begin and every end has its own number. */
  #now = 0;
  acknowledged = 0;

  begin(key: string, version: Version): Attempt {
    const attempt = { key, version, begunAt: ++this.#now, endedAt: Infinity };
    this.#of(key).push(attempt);
    return attempt;
  }

  acknowledge(attempt: Attempt): void {
    attempt.endedAt = ++this.#now;
    this.acknowledged += 1;
  }

  keys(): string[] {
    return [...this.#attempts.keys()];
  }

  allowed(key: string): Set<Version> {
    const attempts = this.#of(key);
    const isSurelyOverwritten = (attempt: Attempt): boolean =>
      attempts.some((other) => other.endedAt < Infinity && other.begunAt > attempt.endedAt);
    return new Set(
      attempts.filter((attempt) => !isSurelyOverwritten(attempt)).map(({ version }) => version),
    );
  }

  /** What every key may hold now; writes that are begun later do not change it. */
  allAllowed(): Map<string, Set<Version>> {
    return new Map(this.keys().map((key) => [key, this.allowed(key)]));
  }

  /** After a crash the outcome is seen once, and from then on it stands. */
  settle(key: string, seen: Version): void {
    const attempt = { key, version: seen, begunAt: ++this.#now, endedAt: ++this.#now };
    this.#attempts.set(key, [attempt]);
  }

  #of(key: string): Attempt[] {
    let attempts = this.#attempts.get(key);
    if (!attempts) {
      attempts = [{ key, version: ABSENT, begunAt: 0, endedAt: 0 }];
      this.#attempts.set(key, attempts);
    }
    return attempts;
  }
}
