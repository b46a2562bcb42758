/** Where damage was found. */
export type DamageArea = 'folder' | 'state' | 'segment' | 'manifest' | 'table' | 'extent' | 'start';

/** A damage, what it means, and what to do. Plain data: JSON as it is. */
export interface StoreDamage {
  readonly kind: 'damage';
  readonly area: DamageArea;
  /** Relative to the data folder. */
  readonly file: string;
  /** In bytes; 0 where it is about the file as a whole. */
  readonly offset: number;
  readonly problem: string;
  readonly meaning: string;
  readonly advice: string;
}

const RESTORE = 'Copy the folder aside, check the disk, and restore it from a backup.';

const EXPLANATIONS: Readonly<Record<DamageArea, readonly [meaning: string, advice: string]>> = {
  folder: ['A file or folder of the store cannot be read.', RESTORE],
  state: ['Neither copy of the state of the log can be read: a start refuses the folder.', RESTORE],
  segment: [
    'The log is damaged here. Values that are kept here and in use are listed by themselves, as damaged extents; where none is, no key is affected.',
    'Copy the folder aside and check the disk. Where extents are damaged, see there.',
  ],
  manifest: [
    'The list of the files of the index cannot be relied on: a start may refuse it.',
    RESTORE,
  ],
  table: [
    'Keys of the index in this part cannot be looked up: reads and lists of them fail, others work.',
    RESTORE,
  ],
  extent: [
    'The value of this key cannot be read: its object answers with an error. No wrong byte is given, and no other key is affected.',
    'Write the object again or delete it, or restore the folder from a backup.',
  ],
  start: ['A start refuses this folder as it is; nothing in it would be changed.', RESTORE],
};

/** A damage with its explanation. */
export function damageOf(
  area: DamageArea,
  file: string,
  offset: number,
  problem: string,
): StoreDamage {
  const [meaning, advice] = EXPLANATIONS[area];
  return { kind: 'damage', area, file, offset, problem, meaning, advice };
}
