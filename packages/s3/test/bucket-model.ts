/** A bucket with versions as AWS documents it, and as plain as can be: what a server answers is held against it. */
export interface ModelVersion {
  /** As the server named it; `null` for the null version. */
  readonly id: string;
  /** undefined for a delete marker. */
  readonly body: string | undefined;
  readonly etag: string;
}

export class BucketModel {
  /** Empty where versioning was never on. */
  versioning: '' | 'Enabled' | 'Suspended' = '';
  readonly #versions = new Map<string, readonly ModelVersion[]>();

  /** The newest first. */
  versionsOf(key: string): readonly ModelVersion[] {
    return this.#versions.get(key) ?? [];
  }

  /** In the order of the bytes of their keys. */
  rows(): string[] {
    const keys = [...this.#versions.keys()].sort((left, right) =>
      Buffer.compare(Buffer.from(left), Buffer.from(right)),
    );
    return keys.flatMap((key) =>
      this.versionsOf(key).map(({ id, body }, at) => rowOf(key, id, body === undefined, at === 0)),
    );
  }

  /** Becomes the latest: the null version is replaced by another, and without versioning all is. */
  add(key: string, version: ModelVersion): void {
    const older = this.versionsOf(key).filter(
      ({ id }) => this.versioning !== '' && (version.id !== 'null' || id !== 'null'),
    );
    this.#versions.set(key, [version, ...older]);
  }

  remove(key: string, removed: string): void {
    const left = this.versionsOf(key).filter(({ id }) => id !== removed);
    if (left.length === 0) this.#versions.delete(key);
    else this.#versions.set(key, left);
  }

  /** What a read gets, or the refusal. `change`: what is asked changes it. */
  find(key: string, id: string | undefined, change: boolean = false): ModelVersion | string {
    const versions = this.versionsOf(key);
    const found = id === undefined ? versions[0] : versions.find((version) => version.id === id);
    if (found === undefined) return id === undefined ? '404 NoSuchKey' : '404 NoSuchVersion';
    if (found.body !== undefined) return found;
    return id === undefined && !change ? '404 NoSuchKey' : '405 MethodNotAllowed';
  }

  /** The refusal of a write under conditions, or nothing. */
  refusalOfWrite(key: string, headers: Readonly<Record<string, string>>): string {
    const found = this.find(key, undefined);
    const etag = typeof found === 'string' ? undefined : found.etag;
    const match = headers['if-match'];
    if (match !== undefined && etag === undefined) return '404 NoSuchKey';
    if (match !== undefined && match !== etag) return '412 PreconditionFailed';
    const isThere = headers['if-none-match'] === '*' && etag !== undefined;
    return isThere ? '412 PreconditionFailed' : '';
  }
}

/** One version in a listing, as text. */
export function rowOf(key: string, id: string, isMarker: boolean, isLatest: boolean): string {
  return `${JSON.stringify(key)} ${id}${isMarker ? ' marker' : ''}${isLatest ? ' latest' : ''}`;
}
