/** Compares as unsigned bytes, a shorter prefix first: negative, zero or positive. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = left.length < right.length ? left.length : right.length;
  for (let position = 0; position < shared; position++) {
    const difference = (left[position] as number) - (right[position] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Whether both hold the same bytes. Not constant-time: never for secrets. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && compareBytes(left, right) === 0;
}

/** Whether `bytes` has `prefix` at `offset`. Why a loop: prefixes are short, and a view of the bytes takes longer. */
export function startsWithBytes(
  bytes: Uint8Array,
  prefix: Uint8Array,
  offset: number = 0,
): boolean {
  for (let at = 0; at < prefix.length; at++) {
    if (bytes[offset + at] !== prefix[at]) return false;
  }
  return true;
}

/** One new array with the parts in order. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * The smallest key greater than every key that begins with `prefix`, or undefined where there is
 * none (a prefix of 0xff only). With it, `[prefix, prefixEnd(prefix))` is the prefix's range.
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  for (let position = prefix.length - 1; position >= 0; position--) {
    const byte = prefix[position] as number;
    if (byte === 0xff) continue;
    const end = prefix.slice(0, position + 1);
    end[position] = byte + 1;
    return end;
  }
  return undefined;
}

/** A copy in memory of its own. Why not `slice`: it fills the copy with zeros first, some 50 us of a MiB. */
export function copyOfBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Little-endian. Why not by a DataView: that takes a small array out of the engine's heap, which costs ten times as much. */
export function putU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}
