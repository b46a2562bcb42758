/**
 * Makes a mutant of the server that syncs nothing, for `node --import`. The source that is run is changed in memory, in the
 * one place where the server syncs anything; where that place has moved, the mutant does not start.
 */
import { registerHooks } from 'node:module';

const changes: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>> = {
  // The log bypasses the page cache, but its writes return before the disk's own cache is flushed.
  'node-file-handle.ts': [['isBulk ? 0 : constants.O_DSYNC', '0']],
  // Tables, the MANIFEST, folders.
  'descriptor.ts': [
    ['fdatasync(descriptor, done)', 'done(null)'],
    ['fsync(descriptor, done)', 'done(null)'],
  ],
};

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const file = /\/env\/src\/node\/([\w-]+\.ts)$/.exec(url)?.[1] ?? '';
    const { source } = loaded;
    if (changes[file] === undefined || !(source instanceof Uint8Array)) return loaded;
    let text = new TextDecoder().decode(source);
    for (const [from, to] of changes[file]) {
      const parts = text.split(from);
      if (parts.length !== 2)
        throw new Error(`${from} stands ${parts.length - 1} times in ${file}`);
      text = parts.join(to);
    }
    return { ...loaded, source: text };
  },
});
