/** Randomness. The real one is cryptographically strong; the seeded one repeats. */
export interface Random {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array;
  /** An integer in [0, bound), 1 <= bound <= 2^32. */
  below(bound: number): number;
}
