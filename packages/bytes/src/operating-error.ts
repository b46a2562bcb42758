/**
 * The base of every error that comes from the world rather than from a mistake in the program: a
 * full disk, a damaged file, a refused request. Callers act on `code`; `message` is for people and
 * says what happened and what to do.
 */
export abstract class OperatingError extends Error {
  /** A literal that a caller may switch on. */
  abstract readonly code: string;
  /** Whether the same call may succeed later with nothing changed by the caller. */
  readonly retryable: boolean = false;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}
