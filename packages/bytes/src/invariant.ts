/** Thrown when the program itself is wrong: never caught to go on, the process stops. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * States what must hold. A false condition is a programmer's error, so it stops the node rather
 * than let it write or answer something wrong.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a branch that the types rule out. */
export function unreachable(value: never, message: string): never {
  throw new InvariantError(`${message}: ${String(value)}`);
}
