import type { KvReader } from './kv-store.ts';

/** The reads of a store as an object of its own, for whoever puts something else beside them. */
export function readsOf(reader: KvReader): KvReader {
  return {
    get: (key) => reader.get(key),
    getInto: (key, target) => reader.getInto(key, target),
    scan: reader.scan.bind(reader) as KvReader['scan'],
    cursor: (options) => reader.cursor(options),
  };
}
