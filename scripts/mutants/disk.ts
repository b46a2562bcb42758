/** Duties to the disk that the log and the store have, each left undone or done too late. */
import type { Hunt, Mutant, Neglect } from './mutant.ts';

const log = 'packages/wal/test/crash/trials.ts';
const store = 'packages/kv/test/crash/trials.ts';

/** Segments: a handle keeps the name that the file was made under. */
const BATCHES = '\\.(wal|tmp)$';
const STORE_BATCHES = '/wal/.*\\.(wal|tmp)$';
const SYNC_FIRST = 'Write, sync, then acknowledge.';
const NAMES = 'A file is there when its name is synced.';
const LISTED = 'What the MANIFEST lists is on the disk before.';
const BACKUP = 'What has a manifest is a whole backup.';

export const diskMutants: readonly Mutant[] = [
  ofLog('batches of the log are not synced', SYNC_FIRST, {
    duty: 'writeSynced',
    path: BATCHES,
    position: 'later',
  }),
  ofLog('batches are acknowledged before they are synced', SYNC_FIRST, {
    duty: 'writeSynced',
    path: BATCHES,
    until: 20,
  }),
  ofLog('headers of segments are not synced', 'A segment is whole before it is used.', {
    duty: 'writeSynced',
    path: '\\.tmp$',
    position: 'start',
  }),
  ofLog('a hard state is not synced', 'A vote is durable before it is told.', {
    duty: 'writeSynced',
    path: 'state-',
  }),
  ofLog(
    'a hard state is acknowledged before it is synced',
    'A vote is durable before it is told.',
    {
      duty: 'writeSynced',
      path: 'state-',
      until: 20,
    },
  ),
  ofLog('names of segments are not synced', NAMES, { duty: 'syncDirectory', path: '/wal$' }),
  ofLog('the name of the folder is not synced', NAMES, { duty: 'syncDirectory', path: '^/$' }),
  ofStore('the log of a store is not synced', SYNC_FIRST, 'flush', {
    duty: 'writeSynced',
    path: STORE_BATCHES,
    position: 'later',
  }),
  ofStore('a store acknowledges before the sync', SYNC_FIRST, 'flush', {
    duty: 'writeSynced',
    path: STORE_BATCHES,
    until: 20,
  }),
  ofStore('names of segments of a store are not synced', NAMES, 'flush', {
    duty: 'syncDirectory',
    path: '/wal$',
  }),
  ofStore('names of tables are not synced', NAMES, 'flush', {
    duty: 'syncDirectory',
    path: '/kv$',
  }),
  ofStore('node.json is not synced', 'A node knows who it is.', 'flush', {
    duty: 'sync',
    path: 'node\\.json',
  }),
  ofStore('a table is not synced', LISTED, 'flush', { duty: 'sync', path: '\\.table$' }),
  ofStore('the MANIFEST lists a table before it is synced', LISTED, 'compaction', {
    duty: 'sync',
    path: '\\.table$',
    until: 'MANIFEST$',
  }),
  ofStore('the MANIFEST is not synced', 'Persist, then truncate.', 'flush', {
    duty: 'sync',
    path: 'MANIFEST$',
  }),
  ofStore(
    'tables and segments are unlinked before the MANIFEST is synced',
    'Persist, then truncate.',
    'compaction',
    { duty: 'sync', path: 'MANIFEST$', until: '\\.(table|wal|extents)$' },
  ),
  ofStore(
    'a MANIFEST that is written anew is not synced',
    'A file that replaces another is whole before.',
    'rewriting of the MANIFEST',
    { duty: 'sync', path: 'MANIFEST\\.tmp$' },
  ),
  ofStore('moved values are not synced', LISTED, 'compaction', {
    duty: 'sync',
    path: '\\.extents$',
  }),
  ofStore('moved values are listed before they are synced', LISTED, 'compaction', {
    duty: 'sync',
    path: '\\.extents$',
    until: 'MANIFEST$',
  }),
  ofStore('copies of a backup are not synced', BACKUP, 'backup', {
    duty: 'sync',
    path: 'unfinished\\.tmp$',
  }),
  ofStore('names of a backup are not synced before its manifest', BACKUP, 'backup', {
    duty: 'syncDirectory',
    path: '/files$',
  }),
  ofStore(
    'the manifest of a backup is not synced',
    'A backup is acknowledged when it is durable.',
    'backup',
    { duty: 'syncDirectory', path: '^/backups$' },
  ),
  ofStore(
    'the journal of a transfer names values before they are synced',
    'What is not asked for again is on the disk.',
    'state of another node',
    { duty: 'sync', path: 'incoming/.*\\.extents$', until: 'journal$' },
  ),
  ofStore('received values are not synced', LISTED, 'state of another node', {
    duty: 'sync',
    path: 'incoming/.*\\.extents$',
  }),
  ofStore('names of received files are not synced', NAMES, 'state of another node', {
    duty: 'syncDirectory',
    path: '/kv$',
  }),
  ofStore(
    'a received state is acknowledged before the MANIFEST is synced',
    SYNC_FIRST,
    'state of another node',
    { duty: 'sync', path: 'MANIFEST$' },
  ),
  ofStore('a restore leaves out its last sync', NAMES, 'restore', {
    duty: 'syncDirectory',
    path: '^/new$',
  }),
  ofStore('a restored MANIFEST is not synced', LISTED, 'restore', {
    duty: 'sync',
    path: '^/new/kv/MANIFEST',
  }),
];

function ofLog(name: string, rule: string, broken: Neglect): Mutant {
  const pinned = { module: log, words: ['crash', 'everything'] };
  return { name, rule, broken, pinned, hunts: [{ module: log, trial: 'random', seeds: 20 }] };
}

function ofStore(name: string, rule: string, scenario: string, broken: Neglect): Mutant {
  const pinned = { module: store, words: ['crash', scenario] };
  const sampled: Hunt = { module: store, trial: 'sampled', seeds: 4, more: [scenario] };
  const random: Hunt = { module: store, trial: 'random', seeds: 12 };
  const isWritten = scenario === 'flush' || scenario === 'compaction';
  return { name, rule, broken, pinned, hunts: isWritten ? [random, sampled] : [sampled] };
}
