import type { Neglect } from '@holdfast/env/memory';

/** Segments: a handle keeps the name that the file was made under. */
const WRITTEN = /\/wal\/.*\.(wal|tmp)$/;

/** Ways to break the store, each with the scenario that finds it out. */
export const storeMutants: readonly (readonly [
  what: string,
  scenario: string,
  neglect: Neglect,
])[] = [
  [
    'a log that is not synced',
    'flush',
    { duty: 'writeSynced', path: WRITTEN, position: (at) => at > 0 },
  ],
  [
    'an acknowledgement before the sync',
    'flush',
    { duty: 'writeSynced', path: WRITTEN, until: 20 },
  ],
  ['names of segments that are not synced', 'flush', { duty: 'syncDirectory', path: /\/wal$/ }],
  ['names of tables that are not synced', 'flush', { duty: 'syncDirectory', path: /\/kv$/ }],
  ['a node.json that is not synced', 'flush', { duty: 'sync', path: /node\.json/ }],
  ['a table that is not synced', 'flush', { duty: 'sync', path: /\.table$/ }],
  [
    'a MANIFEST record before the sync of its table',
    'compaction',
    { duty: 'sync', path: /\.table$/, until: /MANIFEST$/ },
  ],
  ['a MANIFEST that is not synced', 'flush', { duty: 'sync', path: /MANIFEST$/ }],
  [
    'tables and segments unlinked before the MANIFEST is synced',
    'compaction',
    { duty: 'sync', path: /MANIFEST$/, until: /\.(table|wal|extents)$/ },
  ],
  [
    'a rewritten MANIFEST that is not synced',
    'rewriting of the MANIFEST',
    { duty: 'sync', path: /MANIFEST\.tmp$/ },
  ],
  ['moved values that are not synced', 'compaction', { duty: 'sync', path: /\.extents$/ }],
  [
    'moved values that are listed before they are synced',
    'compaction',
    { duty: 'sync', path: /\.extents$/, until: /MANIFEST$/ },
  ],
  ['a backup whose copies are not synced', 'backup', { duty: 'sync', path: /unfinished\.tmp$/ }],
  [
    'a backup whose names are not synced before its manifest',
    'backup',
    { duty: 'syncDirectory', path: /\/files$/ },
  ],
  [
    'a backup whose manifest is not synced',
    'backup',
    { duty: 'syncDirectory', path: /^\/backups$/ },
  ],
  [
    'received values that the journal names before they are synced',
    'state of another node',
    { duty: 'sync', path: /incoming\/.*\.extents$/, until: /journal$/ },
  ],
  [
    'received values that are not synced',
    'state of another node',
    { duty: 'sync', path: /incoming\/.*\.extents$/ },
  ],
  [
    'received files that are listed before their names are durable',
    'state of another node',
    { duty: 'syncDirectory', path: /\/kv$/ },
  ],
  [
    'a state that is acknowledged before the MANIFEST is synced',
    'state of another node',
    { duty: 'sync', path: /MANIFEST$/ },
  ],
  ['a restore without its last sync', 'restore', { duty: 'syncDirectory', path: /^\/new$/ }],
  [
    'a restored MANIFEST that is not synced',
    'restore',
    { duty: 'sync', path: /^\/new\/kv\/MANIFEST/ },
  ],
];
