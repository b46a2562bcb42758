/** The layers of docs/architecture.md as a table. An edge that is not here does not exist. */

/** From the bottom up: a package may never import one that stands after it. */
export const layerOrder = [
  'bytes',
  // Low, though few need it: tests of any layer may take its checkers.
  'sim',
  'env',
  'wal',
  'raft',
  'kv',
  'replica',
  'objects',
  's3',
  'server',
  'testing',
] as const;

/** Which packages a package's `src` may import. */
export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  env: ['bytes'],
  wal: ['bytes', 'env'],
  // Pure: it is handed its randomness, and its driver its ports.
  raft: ['bytes'],
  kv: ['bytes', 'env', 'wal'],
  replica: ['bytes', 'env', 'wal', 'raft', 'kv'],
  objects: ['bytes', 'env', 'kv'],
  // Why env: the types of the clock and the random source that s3 is handed; `adapterUsers` keeps the real ones out.
  s3: ['bytes', 'env', 'objects'],
  server: ['bytes', 'env', 'wal', 'kv', 'replica', 'objects', 's3'],
  testing: ['env', 'server'],
  sim: ['bytes'],
};

/** Folders beside the packages, and what they may import. e2e speaks HTTP to processes, its own or of `testing`; of sim it takes the checkers. */
export const outsideFolders: Readonly<Record<string, readonly string[]>> = {
  e2e: ['sim', 'testing'],
  scripts: [],
  bench: [...layerOrder],
};

/** The adapters of env. Only the composition root chooses one; everything else is handed the ports. */
export const adapterEntryPoints: readonly string[] = ['@holdfast/env/node', '@holdfast/env/memory'];
export const adapterUsers: readonly string[] = ['server', 'testing'];
