/** The format versions of the files and records on disk, read from the source that writes them. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `const NAME_FORMAT_VERSION = 2;`, `RECORD_VERSION`, `FORMAT`, and the like. */
const CONSTANT =
  /^(?:export )?const ((?:[A-Z_]*_)?(?:FORMAT|RECORD_VERSION|ENCRYPTED_VERSION)[A-Z_]*)(?:: number)? = (\d+);/gm;

/** These stand for nothing that is kept: bytes between two nodes. */
const ON_THE_WIRE = [
  'packages/replica/src/message-codec.ts',
  'packages/replica/src/transfer/transfer-codec.ts',
];

/** Versions by file and name: `packages/kv/src/table-format.ts TABLE_FORMAT_VERSION`. */
export function formatConstants(root: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const path of globSync('packages/*/src/**/*.ts', { cwd: root }).toSorted()) {
    const name = path.replaceAll('\\', '/');
    if (ON_THE_WIRE.includes(name)) continue;
    for (const match of readFileSync(join(root, path), 'utf8').matchAll(CONSTANT)) {
      found[`${name} ${match[1] ?? ''}`] = Number(match[2]);
    }
  }
  return found;
}
