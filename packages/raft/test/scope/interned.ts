/** Values that are equal get one number, in the order in which they first come. */
export class Interned<Value> {
  readonly #ids = new Map<string, number>();
  readonly #values: Value[] = [];

  get size(): number {
    return this.#values.length;
  }

  idOf(key: string, value: Value): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.#values.length);
    return this.#values.push(value) - 1;
  }

  at(id: number): Value {
    const value = this.#values[id];
    if (value === undefined) throw new Error(`there is no number ${id}`);
    return value;
  }
}

/** JSON with maps as lists. Fields named in `without` are left out. */
export function keyOf(value: unknown, without: ReadonlySet<string> = new Set()): string {
  return JSON.stringify(value, (name, inner: unknown) => {
    if (without.has(name)) return undefined;
    if (inner instanceof Map) return [...inner];
    return inner instanceof Uint8Array ? [...inner] : inner;
  });
}

/** A copy down to the last field, but what is under a field named in `shared` stays the same object. */
export function copyOf<T>(value: T, shared: ReadonlySet<string>): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => copyOf(item, shared)) as T;
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [key, copyOf(item as unknown, shared)])) as T;
  }
  const copy: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    copy[name] = shared.has(name) ? item : copyOf(item as unknown, shared);
  }
  return copy as T;
}
